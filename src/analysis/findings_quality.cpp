// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "analysis/findings_sections.hpp"
#include "analysis/number_text.hpp"

namespace minimoe {
namespace {

std::string percent(double share, int decimals = 1) { return fixed_text(100 * share, decimals) + " %"; }

std::string against_baseline(const ComparisonFacts& f) {
  const Spread& s = f.verdict.to_dense;
  const double gain = f.verdict.gain;
  const std::string figures =
      concat("validation perplexity is ", fixed_text(f.moe.perplexity.mean, 3), " against ",
             fixed_text(f.dense.perplexity.mean, 3), " for the dense baseline, a paired difference of ",
             difference_text(s), ": ", percent(std::abs(gain), 2), gain >= 0 ? " lower" : " higher");
  if (!s.low) {
    return concat("One seed cannot say: ", figures, ", but a single pair has no interval, so it may be chance.");
  }
  if (*s.high < 0) return concat("Yes, lower than the baseline's: ", figures, ".");
  if (*s.low > 0) return concat("No, it is higher: ", figures, ".");
  return concat("They cannot be told apart: ", figures, ". The interval includes 0; ", seeds_text(f.num_seeds),
                " with this spread show nothing smaller than ", fixed_text((*s.high - *s.low) / 2, 4), ".");
}

std::string relation(const Spread& s) {
  if (!s.low) return s.mean < 0 ? "lower than" : s.mean > 0 ? "higher than" : "equal to";
  return *s.high < 0 ? "lower than" : *s.low > 0 ? "higher than" : "not distinguishable from";
}

std::string against_matched(const ComparisonFacts& f) {
  const Spread &active = f.verdict.to_active_matched, &total = f.verdict.to_total_matched;
  std::string text =
      concat("MoE's loss is ", relation(active), " the active-matched dense model's, ", difference_text(active),
             ", and ", relation(total), " the total-matched one's, ", difference_text(total), ".");
  if (!f.verdict.to_dense.high || *f.verdict.to_dense.high >= 0) return text;
  const bool beats_active = *active.high < 0, beats_total = *total.high < 0;
  if (beats_active && beats_total) return text + " So the gain is not one of size alone.";
  const Spread& other = beats_active ? total : active;
  const std::string wider = beats_active ? "a dense model with all those parameters" : "a merely wider dense model";
  if (*other.low > 0) return text + concat(" So ", wider, " does better: that gain is one of size.");
  return text + concat(" Whether ", wider, " does as well is open: that gain may be one of size.");
}

std::string room_left(const ComparisonFacts& f) {
  if (!f.floor) {
    return "The corpus has no known entropy floor, so what could still be gained is unknown.";
  }
  const double dense = f.dense.val_loss.mean - *f.floor, moe = f.moe.val_loss.mean - *f.floor;
  return concat("Above the corpus's entropy floor of ", fixed_text(*f.floor, 4), " nats, dense has ",
                fixed_text(dense, 4), " left and MoE ", fixed_text(moe, 4), ".");
}

std::string probes(const ComparisonFacts& f) {
  if (!f.dense.probe_accuracy || !f.moe.probe_accuracy) return "";
  return concat(" Validation questions answered exactly: MoE ", percent(*f.moe.probe_accuracy), ", dense ",
                percent(*f.dense.probe_accuracy), ".");
}

// Prompted by a gain that is too good.
std::string baseline_check(const ComparisonFacts& f) {
  if (!(f.verdict.gain > kSuspiciousGain)) return "";
  std::string text = concat("\n\n**Check the baseline.** A gain above ", percent(kSuspiciousGain, 0),
                            " is more often a weakened dense baseline than a good router. ");
  std::string unequal;
  const auto add = [&](const std::string& part) { unequal += (unequal.empty() ? "" : ", ") + part; };
  if (f.dense.steps != f.moe.steps) {
    add(concat(count_text(f.dense.steps), " steps against ", count_text(f.moe.steps)));
  }
  if (f.dense.learning_rate != f.moe.learning_rate) {
    add(concat("learning rate ", f.dense.learning_rate, " against ", f.moe.learning_rate));
  }
  if (f.dense.d_ff < f.moe.d_ff) add(concat("d_ff ", f.dense.d_ff, " against ", f.moe.d_ff));
  if (!unequal.empty()) return text + "Here it was not trained alike: " + unequal + ". That is no fair comparison.";
  return text + concat("Steps (", count_text(f.dense.steps), "), learning rate (", f.dense.learning_rate,
                       ") and d_ff (", f.dense.d_ff,
                       ") were the same. A better rate for dense is not ruled out: train it at ",
                       f.dense.learning_rate / 2, " and ", f.dense.learning_rate * 2,
                       " (`--lr`, `--moe-layer none`) before believing the gain.");
}

}  // namespace

std::string perplexity_findings(const ComparisonFacts& f) {
  return against_baseline(f) + " " + against_matched(f) + " " + room_left(f) + probes(f) + baseline_check(f);
}

std::string parameter_findings(const ComparisonFacts& f) {
  const auto times = [&](std::uint64_t a, std::uint64_t b) {
    return fixed_text(static_cast<double>(a) / static_cast<double>(std::max<std::uint64_t>(b, 1)), 2);
  };
  std::string text =
      concat("MoE has ", count_text(f.moe.params), " parameters in total, ", times(f.moe.params, f.dense.params),
             " times the ", count_text(f.dense.params), " of the dense baseline. ");
  if (f.moe.active_params <= f.dense.active_params * 101 / 100) {
    text += concat("A token passes through ", count_text(f.moe.active_params), ", no more than in the baseline.");
  } else {
    text += concat("A token passes through ", count_text(f.moe.active_params), " of them, ",
                   times(f.moe.active_params, f.dense.active_params), " times the baseline's.");
  }
  return text + concat(" Matched dense models have d_ff ", f.active_matched.d_ff, " (",
                       count_text(f.active_matched.params), " parameters, active-matched) and ", f.total_matched.d_ff,
                       " (", count_text(f.total_matched.params), ", total-matched).");
}

}  // namespace minimoe
