// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/comparison_verdict.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "analysis/verdict_json.hpp"
#include "minimoe/core/error.hpp"
#include "support/catch.hpp"

using namespace minimoe;

namespace {

/// Three seeds around a loss of 2: the MoE model's differences to the three dense models, and its time in theirs.
ComparisonFigures figures(double to_dense, double to_active, double to_total, double noise, double cpu_ratio = 1.3,
                          std::size_t num_seeds = 3) {
  ComparisonFigures f;
  for (std::size_t i = 0; i < num_seeds; ++i) {
    const double start = 2 + 0.05 * static_cast<double>(i), wobble = noise * (static_cast<double>(i % 3) - 1);
    f.moe.val_loss.push_back(start);
    f.dense.val_loss.push_back(start - to_dense + wobble);
    f.active_matched.val_loss.push_back(start - to_active + wobble);
    f.total_matched.val_loss.push_back(start - to_total + wobble);
    f.dense.cpu_time_s.push_back(10);
    f.moe.cpu_time_s.push_back(10 * cpu_ratio);
  }
  return f;
}

ComparisonVerdict judged(double to_dense, double to_active, double to_total, double noise, double cpu_ratio = 1.3) {
  return compare_verdict(figures(to_dense, to_active, to_total, noise, cpu_ratio));
}

// 95 % interval of three differences that are `noise` apart: the mean -+ this. For 2 degrees of freedom t is algebraic.
double half_width(double noise) { return 0.95 * std::sqrt(2 / (1 - 0.95 * 0.95)) * noise / std::sqrt(3.0); }

}  // namespace

TEST_CASE("compare_verdict: adopt needs all three intervals and more than 1 %", "[comparison_verdict]") {
  const ComparisonVerdict v = judged(-0.05, -0.03, -0.02, 0.002);
  CHECK(v.verdict == Adoption::kAdopt);
  CHECK(v.rule == "better-than-all-three");
  CHECK(std::abs(v.gain - (1 - std::exp(-0.05))) < 1e-12);
  CHECK(std::abs(*v.gain_low - (1 - std::exp(-0.05 + half_width(0.002)))) < 1e-9);
  CHECK(std::abs(*v.cpu_time_ratio - 1.3) < 1e-12);
  // Each condition alone takes it away.
  CHECK(judged(-0.05, -0.03, +0.001, 0.002).verdict == Adoption::kDefer);
  CHECK(judged(-0.05, -0.03, -0.001, 0.002).verdict == Adoption::kDefer);
  CHECK(judged(-0.05, -0.001, -0.02, 0.002).verdict == Adoption::kDefer);
  CHECK(judged(-0.009, -0.03, -0.02, 0.0002).verdict == Adoption::kDefer);
  CHECK(judged(-0.05, -0.03, -0.02, 0.021).verdict == Adoption::kDefer);     // half width .052
  CHECK(judged(-0.05, -0.03, -0.02, 0.002, 9).verdict == Adoption::kAdopt);  // time is no condition of adopt
}

TEST_CASE("compare_verdict: an interval far beyond any loss is still told in numbers", "[comparison_verdict]") {
  ComparisonFigures f = figures(0, 0, 0, 0, 1, 2);
  f.moe.val_loss[1] = 300;  // it diverged: the interval reaches above 2,000 nats
  const ComparisonVerdict v = compare_verdict(f);
  CHECK(*v.to_dense.high > 1000);
  CHECK(std::isfinite(*v.gain_low));
  CHECK(v.verdict == Adoption::kDefer);
}

TEST_CASE("compare_verdict: the gain must be above 1 %, not at it", "[comparison_verdict]") {
  const double at = std::log(1 - 0.01);
  CHECK(judged(at + 1e-6, -0.03, -0.02, 0).verdict == Adoption::kDefer);
  CHECK(judged(at - 1e-6, -0.03, -0.02, 0).verdict == Adoption::kAdopt);
}

TEST_CASE("compare_verdict: never on the losing side, whatever the matched models say", "[comparison_verdict]") {
  const ComparisonVerdict v = judged(0.03, -0.3, -0.3, 0.002);
  CHECK(v.verdict == Adoption::kNever);
  CHECK(v.rule == "losing-side");
  CHECK(judged(0.03, 0.03, 0.03, 0.02).verdict == Adoption::kDefer);  // half width .0497: not wholly
  // The matched models may win without making it never.
  CHECK(judged(-0.03, 0.3, 0.3, 0.002).verdict == Adoption::kDefer);
}

TEST_CASE("compare_verdict: no difference is never only above 1.5 times the CPU time", "[comparison_verdict]") {
  CHECK(judged(0.0005, 0.01, 0.01, 0.001, 1.6).verdict == Adoption::kNever);
  CHECK(judged(0.0005, 0.01, 0.01, 0.001, 1.6).rule == "no-gain-for-more-time");
  CHECK(judged(0.0005, 0.01, 0.01, 0.001, 1.5).verdict == Adoption::kDefer);
  CHECK(judged(0.0005, 0.01, 0.01, 0.001, 1.4).verdict == Adoption::kDefer);
  // Wholly within 1 %: an interval that sticks out is no proof of sameness.
  CHECK(half_width(0.004) < 0.00995);
  CHECK(judged(0, 0.01, 0.01, 0.004, 1.6).verdict == Adoption::kNever);
  CHECK(half_width(0.0041) > 0.01005);
  CHECK(judged(0, 0.01, 0.01, 0.0041, 1.6).verdict == Adoption::kDefer);
  CHECK(judged(-0.009, -0.1, -0.1, 0.0001, 1.6).verdict == Adoption::kNever);
}

TEST_CASE("compare_verdict: one seed is defer, with no interval", "[comparison_verdict]") {
  for (const double difference : {-0.5, 0.5}) {
    const ComparisonVerdict v = compare_verdict(figures(difference, difference, difference, 0, 2, 1));
    CHECK(v.verdict == Adoption::kDefer);
    CHECK(v.rule == "one-seed");
    CHECK_FALSE(v.gain_low.has_value());
    CHECK_FALSE(v.to_dense.low.has_value());
    CHECK(v.reasons.back().find("no interval") != std::string::npos);
  }
}

TEST_CASE("compare_verdict: a figure that is no figure is refused by name", "[comparison_verdict]") {
  ComparisonFigures f = figures(-0.05, -0.03, -0.02, 0.002);
  f.active_matched.val_loss[2] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(compare_verdict(f), Catch::Contains("dense_active_matched.val_loss[2] is nan"));
  f = figures(-0.05, -0.03, -0.02, 0.002);
  f.moe.cpu_time_s[0] = -1;
  CHECK_THROWS_WITH(compare_verdict(f), Catch::Contains("moe_variant.cpu_time_s[0] is -1"));
  f = figures(-0.05, -0.03, -0.02, 0.002);
  f.dense.val_loss.pop_back();
  CHECK_THROWS_WITH(compare_verdict(f),
                    Catch::Contains("dense_baseline.val_loss has 2 values") && Catch::Contains("3 seeds"));
  CHECK_THROWS_WITH(compare_verdict({}), Catch::Contains("is empty"));
}

TEST_CASE("compare_verdict: a baseline of no time has no ratio, and time then decides nothing",
          "[comparison_verdict]") {
  ComparisonFigures f = figures(0, 0, 0, 0.001, 2);
  f.dense.cpu_time_s = {0, 0, 0};
  const ComparisonVerdict v = compare_verdict(f);
  CHECK_FALSE(v.cpu_time_ratio.has_value());
  CHECK(v.verdict == Adoption::kDefer);
}

TEST_CASE("compare_verdict_json: figures in, verdict and the spread of every figure out", "[comparison_verdict]") {
  const auto in = nlohmann::json::parse(R"({
    "moe_variant": {"val_loss": [1.0, 1.1], "cpu_time_s": [3, 5], "probe": [0.25, 0.75]},
    "dense_baseline": {"val_loss": [1.5, 1.6], "cpu_time_s": [2, 2]},
    "dense_active_matched": {"val_loss": [1.4, 1.5]}, "dense_total_matched": {"val_loss": [1.3, 1.4]}})");
  const auto out = nlohmann::json::parse(compare_verdict_json(in.dump(), "here"));
  CHECK(out["verdict"] == "adopt");
  CHECK(out["cpu_time_ratio"] == 2);
  CHECK(out["differences"]["moe_variant_minus_dense_baseline"]["n"] == 2);
  CHECK(std::abs(out["differences"]["moe_variant_minus_dense_total_matched"]["mean"].get<double>() + 0.3) < 1e-12);
  CHECK(out["spread"]["moe_variant"]["probe"]["mean"] == 0.5);
  CHECK(out["spread"]["dense_total_matched"]["val_loss"]["max"] == 1.4);

  const auto refusal = [&](auto change) {
    auto broken = in;
    change(broken);
    try {
      compare_verdict_json(broken.dump(), "here");
    } catch (const Error& error) {
      CHECK(error.code() != ErrorCode::kInternal);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(refusal([](auto& j) { j["moe_variant"]["val_loss"][1] = nullptr; }) ==
        "here: moe_variant.val_loss[1] is null, expected a finite number");
  CHECK(refusal([](auto& j) { j["moe_variant"]["probe"] = {1}; }) ==
        "here: moe_variant.probe is a list, expected one number for each of 2 seeds");
  CHECK(refusal([](auto& j) { j["dense_baseline"].erase("cpu_time_s"); }) ==
        "here: dense_baseline.cpu_time_s is missing, expected a value");
  CHECK(refusal([](auto& j) { j["dense_totl_matched"] = 1; }) ==
        "here: dense_totl_matched: unknown key; did you mean dense_total_matched?");
  CHECK(refusal([](auto& j) { j = nlohmann::json::array(); }) == "here: the document is a list, expected an object");
  CHECK_THROWS_WITH(compare_verdict_json(R"({"moe_variant": {}, "moe_variant": {}})", "here"),
                    Catch::Contains("moe_variant stands there twice"));
}
