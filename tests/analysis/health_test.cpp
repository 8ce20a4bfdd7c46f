// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/health.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "minimoe/core/error.hpp"
#include "support/catch.hpp"

using namespace minimoe;

namespace {

using Load = std::vector<std::int64_t>;
using Shares = std::vector<double>;

// Ten-step lines up to step `last`, each with `load` and `probs`.
RouterLayerLog steady(std::size_t top_k, const Load& load, const Shares& probs = {}, std::int64_t last = 250) {
  RouterLayerLog log;
  log.num_experts = load.size();
  log.top_k = top_k;
  for (std::int64_t step = 10; step <= last; step += 10) {
    RouterLogEntry entry;
    entry.step = step;
    entry.num_steps = 10;
    entry.load = load;
    entry.mean_probs = probs;
    entry.num_dropped = 0;
    log.entries.push_back(entry);
  }
  return log;
}

LayerHealth judge(const RouterLayerLog& log, const HealthOptions& options = {}) {
  return check_health({log}, options).layers.front();
}

bool mentions(const std::vector<std::string>& texts, const std::string& part) {
  for (const std::string& text : texts) {
    if (text.find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("health: a steady router of each kind", "[analysis]") {
  struct Case {
    RouterLayerLog log;
    Verdict verdict;
    const char* rule;
  };
  const Shares even{0.25, 0.25, 0.25, 0.25};
  const Case cases[] = {
      {steady(1, {900, 1100, 1000, 1000}, even), Verdict::kHealthy, "even"},
      {steady(1, {3900, 50, 25, 25}, {0.9, 0.04, 0.03, 0.03}), Verdict::kCollapsed, "few-experts"},
      {steady(2, {2000, 1980, 10, 10}, {0.5, 0.48, 0.01, 0.01}), Verdict::kCollapsed, "few-experts"},
      {steady(2, {2000, 667, 667, 666}, {0.8, 0.1, 0.05, 0.05}), Verdict::kCollapsed, "always-chosen"},
      {steady(1, {1000, 1000, 1000, 1000}, {0.76, 0.08, 0.08, 0.08}), Verdict::kSham, "gate-mass"},
      {steady(1, {1000, 1000}, {0.9, 0.1}), Verdict::kSham, "gate-mass"},
      {steady(2, {1000, 1000}, {0.95, 0.05}), Verdict::kSham, "gate-mass"},
      {steady(2, {1000, 1000}, {0.6, 0.4}), Verdict::kHealthy, "even"},
      {steady(2, {1000, 1000}), Verdict::kUntested, "nothing-to-judge"},
      {steady(1, {1400, 1300, 1290, 10}, even), Verdict::kSkewed, "cold-experts"},
      {steady(1, {2200, 600, 600, 600}, even), Verdict::kSkewed, "uneven"},
      {steady(1, {1, 1, 1, 2}, even), Verdict::kUntested, "too-few-tokens"},
      {steady(1, {5000}, {1}), Verdict::kHealthy, "one-expert"},
  };
  for (const Case& c : cases) {
    const LayerHealth health = judge(c.log);
    INFO(health.reason);
    CHECK(std::string(verdict_name(health.verdict)) == verdict_name(c.verdict));
    CHECK(health.rule == c.rule);
  }
}

TEST_CASE("health: the sham router of eight experts with half of the weight is told by the gap", "[analysis]") {
  const LayerHealth health = judge(steady(4, Load(8, 1000), {0.24, 0.24, 0.24, 0.24, 0.01, 0.01, 0.01, 0.01}));
  CHECK(health.verdict == Verdict::kSham);
}

TEST_CASE("health: no verdict before the warm-up has settled, at the very step it has", "[analysis]") {
  const Load collapsed{3970, 10, 10, 10};
  const Shares flat{0.25, 0.25, 0.25, 0.25}, sharp{0.97, 0.01, 0.01, 0.01};
  CHECK(judge(steady(1, collapsed, flat, 90)).verdict == Verdict::kUntested);
  CHECK(judge(steady(1, collapsed, flat, 90)).rule == "too-early");
  CHECK(judge(steady(1, collapsed, flat, 100)).verdict == Verdict::kCollapsed);
  CHECK(judge(steady(1, collapsed, sharp, 40)).verdict == Verdict::kUntested);
  CHECK(judge(steady(1, collapsed, sharp, 50)).rule == "early-warning");
  CHECK(judge(steady(1, collapsed, sharp, 50)).verdict == Verdict::kAtRisk);
  HealthOptions options;
  options.warmup = 200;
  CHECK(judge(steady(1, collapsed, flat, 240), options).verdict == Verdict::kUntested);
  CHECK(judge(steady(1, collapsed, flat, 250), options).verdict == Verdict::kCollapsed);
}

TEST_CASE("health: a line that sums steps of the warm-up and later ones is not judged", "[analysis]") {
  RouterLayerLog log = steady(1, {1000, 1000, 1000, 1000}, {0.25, 0.25, 0.25, 0.25});
  log.entries.erase(log.entries.begin(), log.entries.begin() + 9);
  RouterLogEntry& first = log.entries.front();  // steps 1 to 100 now, 50 of them warm-up
  first.num_steps = 100;
  first.load = {39700, 100, 100, 100};
  first.mean_probs = {0.97, 0.01, 0.01, 0.01};
  const LayerHealth health = judge(log);
  CHECK(health.windows.front().figures.first_step == 101);
  CHECK_FALSE(mentions(health.findings, "recovered"));
  log.entries.resize(1);
  CHECK(judge(log).verdict == Verdict::kUntested);
  CHECK(judge(log).rule == "too-early");
  CHECK(judge(log).reason == "the line of step 100 begins at step 1, within the warm-up of 50");
  HealthOptions options;
  options.warmup = 0;
  CHECK(judge(log, options).verdict == Verdict::kCollapsed);
}

TEST_CASE("health: the worst layer decides, and none is averaged away", "[analysis]") {
  std::vector<RouterLayerLog> layers{steady(1, {3970, 10, 10, 10}), steady(1, {10, 1330, 1330, 1330}),
                                     steady(1, {1000, 1000, 1000, 1000})};
  for (std::size_t i = 0; i < layers.size(); ++i) layers[i].layer = static_cast<std::int64_t>(i);
  const HealthReport report = check_health(layers);
  CHECK(report.verdict == Verdict::kCollapsed);
  CHECK(report.layers[1].verdict == Verdict::kSkewed);
  CHECK(report.layers[2].verdict == Verdict::kHealthy);
}

TEST_CASE("health: five per cent of drops are allowed, more are not", "[analysis]") {
  RouterLayerLog log = steady(1, {1000, 1000, 1000, 1000});
  for (RouterLogEntry& entry : log.entries) entry.num_dropped = 200;
  CHECK(judge(log).verdict == Verdict::kHealthy);
  for (RouterLogEntry& entry : log.entries) entry.num_dropped = 201;
  CHECK(judge(log).rule == "drops");
  CHECK(judge(log).advice.front().find("capacity_factor") != std::string::npos);
  log = steady(1, {4000}, {1});
  for (RouterLogEntry& entry : log.entries) entry.num_dropped = 201;
  CHECK(judge(log).rule == "drops");  // one expert has a capacity too
  CHECK(judge(log).advice.size() == 1);
}

TEST_CASE("health: a limit that is moved moves the verdict, and is reported", "[analysis]") {
  const RouterLayerLog log = steady(1, {1600, 800, 800, 800}, {0.25, 0.25, 0.25, 0.25});
  CHECK(judge(log).verdict == Verdict::kHealthy);
  HealthOptions options;
  options.skewed_below = 0.99;
  CHECK(judge(log, options).verdict == Verdict::kSkewed);
  const auto json = nlohmann::json::parse(health_json(check_health({log}, options)));
  CHECK(json.at("options").at("skewed_below") == 0.99);
  options.skewed_below = 0.8;
  options.cold_below = 0.9;
  CHECK(judge(log, options).rule == "cold-experts");
  CHECK(mentions({judge(log, options).reason}, "less than 0.9 of an even share"));
  options.skewed_below = 1.5;
  options.window = 0;
  CHECK_THROWS_WITH(judge(log, options), ContainsSubstring("window: 0") && ContainsSubstring("skewed_below: 1.5"));
}

TEST_CASE("health: advice follows the figures, in the order to try it", "[analysis]") {
  const RouterLayerLog collapsed = steady(1, {3970, 10, 10, 10}, {0.97, 0.01, 0.01, 0.01});
  const LayerHealth plain = judge(collapsed);
  REQUIRE(plain.advice.size() >= 2);
  CHECK(plain.advice[0] == "raise aux_loss_coef to 0.05");
  CHECK(plain.advice[1].find("0.02") != std::string::npos);
  HealthOptions known;
  known.aux_loss_coef = 0.05;
  known.router_init_std = 0.02;
  const LayerHealth strong = judge(collapsed, known);
  CHECK_FALSE(mentions(strong.advice, "aux_loss_coef"));
  CHECK_FALSE(mentions(strong.advice, "0.02"));
  known.aux_loss_coef = 0.001;
  CHECK(judge(collapsed, known).advice[0] == "raise aux_loss_coef from 0.001 to 0.05");
  CHECK(mentions(judge(steady(2, {1000, 1000}, {0.95, 0.05})).advice, "E = 2 with K = 2 cannot be balanced"));
  RouterLayerLog onset = steady(1, {1000, 1000, 1000, 1000});
  for (std::size_t i = onset.entries.size() - 2; i < onset.entries.size(); ++i)
    onset.entries[i].load = {3970, 10, 10, 10};
  CHECK(judge(onset).rule == "onset");
  const std::vector<std::string> in_order = judge(onset).advice;
  REQUIRE(in_order.size() == 3);
  CHECK(in_order[0] == "raise aux_loss_coef to 0.05");
  CHECK(in_order[1].find("0.02") != std::string::npos);
  CHECK(in_order[2].find("halve the learning rate") != std::string::npos);
  CHECK(judge(steady(1, {1000, 1000, 1000, 1000})).advice.empty());
}

TEST_CASE("health: what a log cannot tell is said", "[analysis]") {
  RouterLayerLog bare = steady(1, {1000, 1000, 1000, 1000});
  for (RouterLogEntry& entry : bare.entries) entry.num_dropped.reset();
  const LayerHealth health = judge(bare);
  CHECK(health.verdict == Verdict::kHealthy);
  CHECK(health.reason.find("by counts alone") != std::string::npos);
  CHECK(mentions(health.findings, "no mean_probs"));
  CHECK(mentions(health.findings, "no num_dropped"));
  CHECK(mentions(health.findings, "lower bound"));
  const LayerHealth blind = judge(steady(1, {3970, 10, 10, 10}, {0.2503, 0.2499, 0.2499, 0.2499}));
  CHECK(mentions(blind.findings, "probabilities and assignments disagree: 0 cold and 0 hot by probabilities, 3 cold"));
}

TEST_CASE("health: a saturated start of bias balancing has a finding of its own", "[analysis]") {
  RouterLayerLog log = steady(1, {1000, 1000, 1000, 1000}, {0.97, 0.01, 0.01, 0.01});
  log.entries.front().load = {3970, 10, 10, 10};
  CHECK(mentions(judge(log).findings, "saturated start"));
  for (RouterLogEntry& entry : log.entries) {
    entry.mean_probs = {0.25, 0.25, 0.25, 0.25};
    entry.bias_min = -0.1;
    entry.bias_max = 0.1;
  }
  CHECK_FALSE(mentions(judge(log).findings, "saturated start"));
}

TEST_CASE("health: the JSON has every figure by its name, and null for what is unknown", "[analysis]") {
  RouterLayerLog log = steady(2, {1000, 900, 1000, 1100}, {0.25, 0.25, 0.25, 0.25});
  log.block = 1;
  HealthOptions options;
  options.aux_loss_coef = 0.5;
  for (RouterLogEntry& entry : log.entries) entry.aux_loss = 1.25;
  const auto json = nlohmann::json::parse(health_json(check_health({log}, options)));
  CHECK(json.at("verdict") == "healthy");
  CHECK(json.at("window") == 50);
  CHECK(json.at("warmup") == 50);
  const auto& layer = json.at("layers").at(0);
  CHECK(layer.at("block") == 1);
  CHECK(layer.at("windows").size() == 4);
  CHECK(layer.at("windows").at(3).at("first_step") == 201);
  CHECK(layer.at("windows").at(3).at("last_step") == 250);
  const auto& figures = layer.at("figures");
  CHECK(figures.at("aux_loss_weighted") == 0.625);
  CHECK(figures.at("z_loss").is_null());
  CHECK(figures.at("gate_weight_share").is_null());
  CHECK(figures.at("max_violation_window").get<double>() == Approx(0.1));
  CHECK(figures.at("drop_rate") == 0);
  CHECK(figures.at("check_expert_health").at("from_assignments").at("hot_count") == 0);
  // Shares of .25, .225, .25 and .275: utilisations 1, .9, 1 and 1.1.
  CHECK(figures.at("utilisation").at(3).get<double>() == Approx(1.1));
  CHECK(figures.at("load_cv").get<double>() == Approx(std::sqrt(0.02 / 4)));
  const double entropy = -0.5 * std::log(0.25) - 0.225 * std::log(0.225) - 0.275 * std::log(0.275);
  CHECK(figures.at("load_entropy").get<double>() == Approx(entropy / std::log(4)));
  CHECK(figures.at("gate_mass_entropy").get<double>() == Approx(1));
  CHECK(figures.at("gate_mass_max_violation").get<double>() == Approx(0).margin(1e-12));
  CHECK(figures.at("gate_weight_entropy").is_null());
  CHECK(figures.at("gate_weight_utilisation").is_null());
  const std::string text = json.at("text");
  CHECK(text.find("healthy by even") != std::string::npos);
  CHECK(text.find(
            "entropy 0.998 of the counts, 1.000 of the gate mass; CV 0.071; hot 0, cold 0, dead 0; dropped 0.0 %") !=
        std::string::npos);
  CHECK(text.find("aux loss 1.250 (weighted 0.62500); z loss not in the log") != std::string::npos);
}
