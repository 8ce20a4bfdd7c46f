// SPDX-License-Identifier: Apache-2.0
#include "analysis/break_claims.hpp"

#include <algorithm>
#include <limits>

#include "analysis/seed_texts.hpp"

namespace minimoe {
namespace {

constexpr double kDominantShare = 0.8;

const char* yes_or_no(bool holds) { return holds ? "yes" : "no"; }

double largest_share_ever(const BreakRuns& runs) {
  double largest = 0;
  for (const RouterWindow& window : runs.broken.windows) largest = std::max(largest, window.largest_share);
  return largest;
}

// How far the main loss was above that of the healthy twin, at worst.
double worst_main_loss(const BreakRuns& runs) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double worst = -kInfinity;
  for (std::size_t i = 0; i < runs.broken.windows.size(); ++i) {
    const double excess = runs.broken.windows[i].loss / runs.healthy.windows[i].loss - 1;
    worst = std::isfinite(excess) ? std::max(worst, excess) : kInfinity;
  }
  return worst;
}

// "by step 150 / never": when a window of each seed first had this verdict.
std::string first_windows(const BreakResult& result, const std::string& verdict) {
  std::string text;
  for (const BreakRuns& runs : result.seeds) {
    std::string first = "never";
    for (const JudgedWindow& window : runs.broken.judged) {
      if (window.verdict != verdict) continue;
      first = "by step " + std::to_string(window.last_step);
      break;
    }
    text += (text.empty() ? "" : " / ") + first;
  }
  return text;
}

template <class Holds>
bool all_seeds(const BreakResult& result, Holds&& holds) {
  return std::all_of(result.seeds.begin(), result.seeds.end(), holds);
}

std::uint64_t own_steps(const BreakResult& result) {
  return static_cast<std::uint64_t>(result.definition.broken.train.steps);
}

bool as_long_as_its_own(const BreakResult& result) {
  return all_seeds(result, [&](const BreakRuns& r) { return r.broken.num_steps >= own_steps(result); });
}

ClaimCheck check_verdict(const BreakResult& result, BreakClaim claim) {
  const std::string verdict = break_claim_name(claim);
  const bool holds = all_seeds(result, [&](const BreakRuns& r) { return *r.broken.verdict == verdict; });
  return {claim, holds,
          concat("\"", verdict, "\" at the end: ", yes_or_no(holds), "; verdicts ",
                 seeds_verdicts(result.seeds, &BreakRuns::broken), " with ",
                 each_seed(result.seeds, 2, [](const BreakRuns& r) { return r.broken.windows.back().effective_share; }),
                 " of the experts in effect and ",
                 each_seed(result.seeds, 2, [](const BreakRuns& r) { return r.broken.windows.back().gate_mass_share; }),
                 " of them by gate mass; a window first was ", verdict, " ", first_windows(result, verdict))};
}

ClaimCheck check_uneven(const BreakResult& result) {
  const bool holds = all_seeds(result, [](const BreakRuns& r) { return *r.broken.verdict != "healthy"; });
  return {BreakClaim::kUneven, holds,
          concat("not healthy at the end: ", yes_or_no(holds), "; verdicts ",
                 seeds_verdicts(result.seeds, &BreakRuns::broken))};
}

// Where a token names K different experts no expert has more than 1/K, however long the run is.
ClaimCheck check_share(const BreakResult& result) {
  const std::uint64_t top_k = result.seeds.front().broken.top_k;
  const double most = 1 / static_cast<double>(top_k);
  const bool holds = all_seeds(result, [](const BreakRuns& r) { return largest_share_ever(r) > kDominantShare; });
  const bool is_impossible = most <= kDominantShare;
  std::string text = concat("one expert above 80 % of the assignments: ", yes_or_no(holds),
                            "; the most in any window was ", each_seed(result.seeds, 2, largest_share_ever));
  if (is_impossible) {
    text += concat(". It cannot be reached: a token names ", top_k,
                   " different experts, so no expert can have more than ", fixed_text(100 * most, 0), " %");
  }
  return {BreakClaim::kShareAbove80, holds, text, holds || is_impossible || as_long_as_its_own(result)};
}

ClaimCheck check_main_loss(const BreakResult& result) {
  const bool holds = all_seeds(result, [](const BreakRuns& r) { return worst_main_loss(r) <= kFineLossFactor - 1; });
  return {BreakClaim::kMainLossFine, holds,
          concat("the main loss looks fine: ", yes_or_no(holds),
                 "; against the healthy twin it was, in the worst window, higher by ",
                 each_seed(result.seeds, 1, [](const BreakRuns& r) { return 100 * worst_main_loss(r); }), " %")};
}

ClaimCheck check_worse_than_dense(const BreakResult& result) {
  const bool holds = all_seeds(result, [](const BreakRuns& r) { return broken_minus_dense(r) > kWorseThanDense; });
  return {BreakClaim::kWorseThanDense, holds,
          concat("validation more than 0.01 worse than dense: ", yes_or_no(holds), "; broken minus dense ",
                 seeds_spread(result.seeds, broken_minus_dense), " nats")};
}

ClaimCheck check(const BreakResult& result, BreakClaim claim) {
  switch (claim) {
    case BreakClaim::kCollapsed:
    case BreakClaim::kSham:
      return check_verdict(result, claim);
    case BreakClaim::kUneven:
      return check_uneven(result);
    case BreakClaim::kShareAbove80:
      return check_share(result);
    case BreakClaim::kMainLossFine:
      return check_main_loss(result);
    case BreakClaim::kWorseThanDense:
      break;
  }
  return check_worse_than_dense(result);
}

}  // namespace

std::vector<ClaimCheck> check_claims(const BreakResult& result) {
  std::vector<ClaimCheck> checks;
  for (const BreakClaim claim : result.definition.claims) {
    checks.push_back(check(result, claim));
    ClaimCheck& c = checks.back();
    if (claim != BreakClaim::kShareAbove80) c.decided = as_long_as_its_own(result);
    if (!c.decided) {
      c.text +=
          concat(" (", result.seeds.front().broken.num_steps, " steps; the break's own are ", own_steps(result), ")");
    }
  }
  return checks;
}

}  // namespace minimoe
