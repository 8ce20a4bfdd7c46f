// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/comparison_verdict.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/number_text.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

constexpr double kMostLoss = 500;  // its perplexity is still a number

void check(const char* name, const VariantFigures& variant, std::size_t num_seeds, bool is_timed) {
  const auto check_list = [&](const char* figure, const std::vector<double>& values, double most) {
    if (values.size() != num_seeds) {
      throw Error(ErrorCode::kShape, concat("compare_verdict: ", name, ".", figure, " has ", values.size(),
                                            " values, expected one for each of ", num_seeds, " seeds"));
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      require(values[i] >= 0 && values[i] <= most, "compare_verdict: ", name, ".", figure, "[", i, "] is ", values[i],
              ", expected 0..", most);
    }
  };
  check_list("val_loss", variant.val_loss, kMostLoss);
  if (is_timed) check_list("cpu_time_s", variant.cpu_time_s, 1e12);
}

// An interval of two seeds that differ much reaches beyond what a loss can be.
double gain_of(double loss_difference) { return 1 - std::exp(std::min(loss_difference, kMostLoss)); }

bool excludes_zero_for_moe(const Spread& s) { return s.high && *s.high < 0; }

std::string interval_text(const Spread& s) {
  return concat("95 % interval ", signed_text(*s.low, 4), " to ", signed_text(*s.high, 4));
}

std::string difference_text(const Spread& s) {
  const std::string mean = signed_text(s.mean, 4) + " nats a token";
  return s.low ? mean + ", " + interval_text(s) : mean;
}

std::string percent(double share, int decimals) { return fixed_text(100 * share, decimals) + " %"; }

std::string gain_text(double gain) {
  return gain >= 0 ? concat("a gain of ", percent(gain, 2), " in perplexity")
                   : concat("a loss of ", percent(-gain, 2), " in perplexity");
}

std::string why_not_adopt(const ComparisonVerdict& v) {
  std::string misses;
  const auto add = [&](const char* baseline, const Spread& s) {
    if (excludes_zero_for_moe(s)) return;
    misses += concat(misses.empty() ? "the interval does not lie below 0 against the " : ", the ", baseline);
  };
  add("dense baseline", v.to_dense);
  add("active-matched model", v.to_active_matched);
  add("total-matched model", v.to_total_matched);
  if (!(v.gain > kLeastGain))
    misses += concat(misses.empty() ? "" : "; ", "the gain is not above ", percent(kLeastGain, 0));
  return "Not adopt: " + misses + ".";
}

std::string why_not_never(const ComparisonVerdict& v, bool is_same) {
  if (!is_same) {
    return "Not never: the interval against the baseline lies neither wholly on the losing side nor within 1 % of its "
           "perplexity.";
  }
  if (!v.cpu_time_ratio) return "Not never: no difference in perplexity, and the CPU time is not known.";
  return concat("Not never: no difference in perplexity, but training takes ", fixed_text(*v.cpu_time_ratio, 2),
                " times the baseline's CPU time, which is not above ", fixed_text(kCpuTimeRatioLimit, 1), ".");
}

}  // namespace

const char* name_of(Adoption verdict) {
  switch (verdict) {
    case Adoption::kAdopt:
      return "adopt";
    case Adoption::kNever:
      return "never";
    case Adoption::kDefer:
      return "defer";
  }
  return "";
}

ComparisonVerdict compare_verdict(const ComparisonFigures& figures) {
  const std::size_t num_seeds = figures.moe.val_loss.size();
  require(num_seeds >= 1, "compare_verdict: moe_variant.val_loss is empty, expected a value for each seed");
  check("moe_variant", figures.moe, num_seeds, true);
  check("dense_baseline", figures.dense, num_seeds, true);
  check("dense_active_matched", figures.active_matched, num_seeds, false);
  check("dense_total_matched", figures.total_matched, num_seeds, false);

  ComparisonVerdict v;
  v.to_dense = paired_difference(figures.moe.val_loss, figures.dense.val_loss);
  v.to_active_matched = paired_difference(figures.moe.val_loss, figures.active_matched.val_loss);
  v.to_total_matched = paired_difference(figures.moe.val_loss, figures.total_matched.val_loss);
  v.gain = gain_of(v.to_dense.mean);
  const double dense_time = spread_of(figures.dense.cpu_time_s).mean;
  if (dense_time > 0) v.cpu_time_ratio = spread_of(figures.moe.cpu_time_s).mean / dense_time;
  v.reasons = {concat("MoE minus dense over ", num_seeds, num_seeds == 1 ? " seed: " : " seeds: ",
                      difference_text(v.to_dense), ", ", gain_text(v.gain), ".")};
  if (num_seeds == 1) {
    v.rule = "one-seed";
    v.reasons.push_back("One seed has no interval, so the verdict can be no more than defer.");
    return v;
  }
  v.gain_low = gain_of(*v.to_dense.high);
  v.gain_high = gain_of(*v.to_dense.low);
  const bool is_same = *v.gain_low >= -kSamePerplexity && *v.gain_high <= kSamePerplexity;
  if (excludes_zero_for_moe(v.to_dense) && excludes_zero_for_moe(v.to_active_matched) &&
      excludes_zero_for_moe(v.to_total_matched) && v.gain > kLeastGain) {
    v.verdict = Adoption::kAdopt;
    v.rule = "better-than-all-three";
    v.reasons.push_back(
        concat("The intervals lie below 0 against the dense baseline, the active-parameter-matched and the "
               "total-parameter-matched dense model, and the gain is above ",
               percent(kLeastGain, 0), "."));
  } else if (*v.to_dense.low > 0) {
    v.verdict = Adoption::kNever;
    v.rule = "losing-side";
    v.reasons.push_back("The whole interval lies on the losing side: the dense baseline with the same d_ff is better.");
  } else if (is_same && v.cpu_time_ratio && *v.cpu_time_ratio > kCpuTimeRatioLimit) {
    v.verdict = Adoption::kNever;
    v.rule = "no-gain-for-more-time";
    v.reasons.push_back(concat("The whole interval lies within ", percent(kSamePerplexity, 0),
                               " of the dense baseline's perplexity, and training takes ",
                               fixed_text(*v.cpu_time_ratio, 2), " times its CPU time, above the limit of ",
                               fixed_text(kCpuTimeRatioLimit, 1), "."));
  } else {
    v.rule = "undecided";
    v.reasons.push_back(why_not_adopt(v));
    v.reasons.push_back(why_not_never(v, is_same));
  }
  return v;
}

}  // namespace minimoe
