// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "analysis/findings_sections.hpp"
#include "analysis/number_text.hpp"

namespace minimoe {
namespace {

constexpr double kSameRatio = 1.05;  // timings of a shared machine say no more

std::string percent(double share, int decimals = 1) { return fixed_text(100 * share, decimals) + " %"; }

std::string how_long(const ComparisonFacts& f) {
  if (!f.verdict.cpu_time_ratio) return "Not known: the dense baseline's CPU time is 0 in the manifest.";
  const double ratio = *f.verdict.cpu_time_ratio;
  const std::string figures =
      concat(fixed_text(ratio, 2), " times the dense baseline's CPU time (", fixed_text(f.moe.cpu_time_s.mean, 1),
             " s against ", fixed_text(f.dense.cpu_time_s.mean, 1), " s)");
  if (ratio > kSameRatio) return concat("Yes: ", figures, ".");
  if (ratio < 1 / kSameRatio) return concat("No, it took less: ", figures, ".");
  return concat("No, to within 5 %: ", figures, ".");
}

std::string why(const ComparisonFacts& f) {
  const double work = f.moe.flops_per_token / std::max(1.0, f.dense.flops_per_token);
  std::string text;
  if (work > 1.01) {
    text = concat("A trained token costs ", fixed_text(work, 2), " times the arithmetic, since it passes through ",
                  count_text(f.top_k), f.top_k == 1 ? " expert" : " experts", " and a router.");
  } else {
    text = concat("The arithmetic is ",
                  work < 0.99 ? concat("only ", fixed_text(work, 2), " times the baseline's") : std::string("the same"),
                  " for a trained token.");
  }
  if (!f.verdict.cpu_time_ratio) return text;
  const double rest = *f.verdict.cpu_time_ratio / work;
  if (rest > kSameRatio) {
    return text +
           concat(" The remaining factor of ", fixed_text(rest, 2),
                  " is no arithmetic: routing, moving tokens to experts and back, smaller matrix products, and an "
                  "optimiser step over ",
                  fixed_text(static_cast<double>(f.moe.params) /
                                 static_cast<double>(std::max<std::uint64_t>(1, f.dense.params)),
                             2),
                  " times the parameters.");
  }
  if (rest < 1 / kSameRatio) {
    return text +
           " The time grew less than that: larger products run better, or the machine was busier during the dense "
           "runs.";
  }
  return text + " That accounts for the time: routing costs little beside it.";
}

std::string against_total(const ComparisonFacts& f) {
  const double moe = f.moe.cpu_time_s.mean, total = f.total_matched.cpu_time_s.mean;
  if (!(moe > 0 && total > 0)) return "";
  const double ratio = total / moe;
  return concat(" The total-matched dense model took ", fixed_text(ratio, 2), " times MoE's time: ",
                ratio > kSameRatio       ? "MoE is the cheaper way to that many parameters."
                : ratio < 1 / kSameRatio ? "that many parameters train cheaper without a router."
                                         : "routing saves no time at this size.");
}

std::string doubts(const ComparisonFacts& f) {
  std::string text;
  if (f.verdict.gain > kSuspiciousGain) {
    text += baseline_is_equal(f) ? " The check of the baseline above comes first."
                                 : " It does not count until the baseline is trained as MoE was.";
  }
  const auto has = [&](const char* verdict) {
    return std::any_of(f.health.begin(), f.health.end(), [&](const HealthFacts& h) { return h.verdict == verdict; });
  };
  if (has("collapsed") || has("sham")) {
    text += " The router did not work: mend the balance and compare again.";
  }
  return text;
}

// Some interval that the rule looks at includes 0.
bool is_open(const ComparisonVerdict& v) {
  const auto includes_zero = [](const Spread& s) { return *s.low <= 0 && *s.high >= 0; };
  return includes_zero(v.to_dense) || includes_zero(v.to_active_matched) || includes_zero(v.to_total_matched);
}

// With the same spread. Student's t falls with every seed, so it takes far less than four times as many.
std::size_t seeds_that_halve_the_interval(std::size_t num_seeds) {
  const auto width = [](std::size_t n) {
    return student_t_limit(kConfidence, n - 1) / std::sqrt(static_cast<double>(n));
  };
  std::size_t low = num_seeds, high = 4 * num_seeds;  // too few; enough
  while (low + 1 < high) {
    const std::size_t middle = low + (high - low) / 2;
    (width(middle) > width(num_seeds) / 2 ? low : high) = middle;
  }
  return high;
}

std::string in_short(const ComparisonFacts& f) {
  const ComparisonVerdict& v = f.verdict;
  switch (v.verdict) {
    case Adoption::kAdopt:
      return concat(
          " What it buys is ", percent(v.gain), " of perplexity; what it costs is ",
          fixed_text(
              static_cast<double>(f.moe.params) / static_cast<double>(std::max<std::uint64_t>(1, f.dense.params)), 2),
          " times the parameters",
          v.cpu_time_ratio ? concat(" and ", fixed_text(*v.cpu_time_ratio, 2), " times the CPU time") : "", ".");
    case Adoption::kNever:
      return " More seeds would not turn this round.";
    case Adoption::kDefer:
      if (v.rule == "one-seed") return " Two seeds give an interval, three a useful one.";
      if (!is_open(v)) return " More seeds would hardly change that: no interval includes 0.";
      return concat(" With the same spread ", seeds_that_halve_the_interval(f.num_seeds), " seeds in place of ",
                    f.num_seeds, " would halve the intervals.");
  }
  return "";
}

}  // namespace

std::string time_findings(const ComparisonFacts& f) { return how_long(f) + " " + why(f) + against_total(f); }

std::string adoption_findings(const ComparisonFacts& f) {
  std::string text = f.verdict.verdict == Adoption::kAdopt   ? "**Adopt.**"
                     : f.verdict.verdict == Adoption::kNever ? "**Never.**"
                                                             : "**Defer.**";
  // The first reason repeats the difference, which stands above.
  for (std::size_t i = 1; i < f.verdict.reasons.size(); ++i) text += " " + f.verdict.reasons[i];
  const std::string doubt = doubts(f);
  return text + (doubt.empty() ? in_short(f) : doubt) + " This holds for this corpus, size and number of steps alone.";
}

}  // namespace minimoe
