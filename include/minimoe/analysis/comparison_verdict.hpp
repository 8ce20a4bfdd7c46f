// SPDX-License-Identifier: Apache-2.0
// Should a user take the MoE model instead of a dense one? By a rule that is written down before the figures are seen.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minimoe/analysis/paired_statistics.hpp"

namespace minimoe {

/// By seed, in the same order everywhere.
struct VariantFigures {
  std::vector<double> val_loss;    ///< nats a token, 0..500
  std::vector<double> cpu_time_s;  ///< of training, 0 or more; the rule reads the MoE model's and the baseline's
};

struct ComparisonFigures {
  VariantFigures moe;
  VariantFigures dense;           ///< the baseline: the same d_ff
  VariantFigures active_matched;  ///< dense, with as many parameters as a token of the MoE model passes through
  VariantFigures total_matched;   ///< dense, with as many parameters as the MoE model has
};

/// Of the rule.
inline constexpr double kLeastGain = 0.01;         ///< adopt only above it
inline constexpr double kSamePerplexity = 0.01;    ///< "no difference" when the whole interval is within it
inline constexpr double kCpuTimeRatioLimit = 1.5;  ///< what no difference may cost

enum class Adoption { kAdopt, kNever, kDefer };
/// "adopt", "never", "defer".
const char* name_of(Adoption verdict);

struct ComparisonVerdict {
  Adoption verdict = Adoption::kDefer;
  /// What decided: "one-seed", "better-than-all-three", "losing-side", "no-gain-for-more-time", "undecided".
  std::string rule;
  std::vector<std::string> reasons;  ///< one sentence each, with figures
  double gain = 0;                   ///< 1 - exp(mean difference to the baseline): the share of perplexity saved
  std::optional<double> gain_low, gain_high;  ///< the same of the interval's ends; none for one seed
  std::optional<double> cpu_time_ratio;       ///< mean of MoE's over mean of the baseline's; none where the latter is 0
  Spread to_dense, to_active_matched, to_total_matched;  ///< of validation loss, MoE minus that
};

/// One seed is "defer". "adopt": the 95 % interval of the paired validation-loss difference excludes 0 in MoE's favour
/// against all three dense models, and the gain is above 1 %. "never": against the baseline that interval lies wholly
/// on the losing side, or wholly within +-1 % of its perplexity while CPU time is above 1.5 times its. Else "defer".
/// @throws Error(kInvalidArgument) naming the figure that is missing, not finite or out of range; Error(kShape) when
/// the numbers of seeds differ.
ComparisonVerdict compare_verdict(const ComparisonFigures& figures);

}  // namespace minimoe
