// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "break_report.hpp"
#include "machine.hpp"
#include "statistics.hpp"

namespace cli {

namespace {

// "0.93 / 0.85 / 0.87", one figure a seed.
template <class ValueOf>
std::string each(const BreakResult& result, int decimals, ValueOf&& value_of) {
  std::string text;
  for (const BreakRuns& runs : result.seeds) {
    text += (text.empty() ? "" : " / ") + fixed(value_of(runs), decimals);
  }
  return text;
}

template <class ValueOf>
Spread spread_over_seeds(const BreakResult& result, ValueOf&& value_of) {
  std::vector<double> values;
  for (const BreakRuns& runs : result.seeds) values.push_back(value_of(runs));
  return spread_of(values);
}

std::string signed_text(const Spread& s) {
  std::string text = (s.mean >= 0 ? "+" : "") + fixed(s.mean, 4);
  if (s.values.size() > 1) text += " ± " + fixed(s.std, 4);
  return text;
}

std::string verdicts(const BreakResult& result, const std::shared_ptr<const LabRun> BreakRuns::*run) {
  std::string text;
  for (const BreakRuns& runs : result.seeds) text += (text.empty() ? "" : ", ") + (runs.*run)->verdict();
  return text;
}

const RouterWindow& last(const LabRun& run) { return run.windows.back(); }

double largest_share_ever(const LabRun& run) {
  double largest = 0;
  for (const RouterWindow& window : run.windows) largest = std::max(largest, window.largest_share);
  return largest;
}

// How far the main loss was above that of the healthy twin, at worst.
double worst_main_loss(const BreakRuns& runs) {
  double worst = -INFINITY;
  for (std::size_t i = 0; i < runs.broken->windows.size(); ++i) {
    const double excess = runs.broken->windows[i].loss / runs.healthy->windows.at(i).loss - 1;
    worst = std::isfinite(excess) ? std::max(worst, excess) : INFINITY;
  }
  return worst;
}

// "by step 150 / never": when a window of each seed first had this verdict.
std::string first_windows(const BreakResult& result, const std::string& verdict) {
  std::string text;
  for (const BreakRuns& runs : result.seeds) {
    std::string first = "never";
    for (const Json& window : deciding_windows(runs.broken->health)) {
      if (window.at("verdict") != verdict) continue;
      first = "by step " + window.at("last_step").dump();
      break;
    }
    text += (text.empty() ? "" : " / ") + first;
  }
  return text;
}

double to_dense(const BreakRuns& runs) { return runs.broken->val_loss() - runs.dense->val_loss(); }
double to_healthy(const BreakRuns& runs) { return runs.broken->val_loss() - runs.healthy->val_loss(); }

template <class Holds>
bool all_seeds(const BreakResult& result, Holds&& holds) {
  return std::all_of(result.seeds.begin(), result.seeds.end(), holds);
}

std::int64_t num_steps(const Json& config) { return config.at("train").at("steps"); }

bool as_long_as_its_own(const BreakResult& result) {
  return num_steps(result.broken) >= num_steps(result.definition.at("broken"));
}

ClaimCheck check(const BreakResult& result, const std::string& claim) {
  const Json& moe = result.broken.at("model").at("moe");
  const double most = 1 / moe.at("top_k").get<double>();
  if (claim == "collapsed" || claim == "sham") {
    const bool holds = all_seeds(result, [&](const BreakRuns& r) { return r.broken->verdict() == claim; });
    return {claim, holds,
            "\"" + claim + "\" at the end: " + (holds ? "yes" : "no") + "; verdicts " +
                verdicts(result, &BreakRuns::broken) + " with " +
                each(result, 2, [](const BreakRuns& r) { return last(*r.broken).effective_share; }) +
                " of the experts in effect and " +
                each(result, 2, [](const BreakRuns& r) { return last(*r.broken).gate_mass_share; }) +
                " of them by gate mass; a window first was " + claim + " " + first_windows(result, claim)};
  }
  if (claim == "not-healthy") {
    const bool holds = all_seeds(result, [](const BreakRuns& r) { return r.broken->verdict() != "healthy"; });
    return {claim, holds,
            std::string("not healthy at the end: ") + (holds ? "yes" : "no") + "; verdicts " +
                verdicts(result, &BreakRuns::broken)};
  }
  if (claim == "share-above-80-percent") {
    const bool holds = all_seeds(result, [](const BreakRuns& r) { return largest_share_ever(*r.broken) > 0.8; });
    std::string text = "one expert above 80 % of the assignments: " + std::string(holds ? "yes" : "no") +
                       "; the most in any window was " +
                       each(result, 2, [](const BreakRuns& r) { return largest_share_ever(*r.broken); });
    if (most <= 0.8) {
      text += ". It cannot be reached: a token names " + moe.at("top_k").dump() +
              " different experts, so no expert can have more than " + fixed(100 * most, 0) + " %";
    }
    return {claim, holds, text, holds || most <= 0.8 || as_long_as_its_own(result)};
  }
  if (claim == "main-loss-fine") {
    const bool holds = all_seeds(result, [](const BreakRuns& r) { return worst_main_loss(r) <= 0.02; });
    return {claim, holds,
            std::string("the main loss looks fine: ") + (holds ? "yes" : "no") +
                "; against the healthy twin it was, in the worst window, higher by " +
                each(result, 1, [](const BreakRuns& r) { return 100 * worst_main_loss(r); }) + " %"};
  }
  const bool holds = all_seeds(result, [](const BreakRuns& r) { return to_dense(r) > 0.01; });
  return {claim, holds,
          std::string("validation more than 0.01 worse than dense: ") + (holds ? "yes" : "no") +
              "; broken minus dense " + signed_text(spread_over_seeds(result, to_dense)) + " nats"};
}

}  // namespace

std::vector<ClaimCheck> check_claims(const BreakResult& result) {
  std::vector<ClaimCheck> checks;
  for (const Json& claim : result.definition.at("claims")) {
    checks.push_back(check(result, claim));
    ClaimCheck& c = checks.back();
    if (claim != "share-above-80-percent") c.decided = as_long_as_its_own(result);
    if (!c.decided) {
      c.text += " (" + std::to_string(num_steps(result.broken)) + " steps; the break's own are " +
                std::to_string(num_steps(result.definition.at("broken"))) + ")";
    }
  }
  return checks;
}

std::string outcome(const ClaimCheck& check) {
  if (!check.decided) return "cannot tell";
  return check.holds ? "agrees" : "disagrees";
}

std::string symptom(const BreakResult& result) {
  const auto of_last = [&](int decimals, auto member) {
    return each(result, decimals, [&](const BreakRuns& r) { return static_cast<double>(last(*r.broken).*member); });
  };
  const RouterWindow& window = last(*result.seeds.front().broken);
  const auto num_experts = static_cast<double>(window.load.size());
  std::string text =
      "Verdict " + verdicts(result, &BreakRuns::broken) + " (healthy twin: " + verdicts(result, &BreakRuns::healthy) +
      "). Steps " + std::to_string(window.first_step) + " to " + std::to_string(window.last_step) +
      ": the busiest of " + std::to_string(window.load.size()) + " experts had " +
      of_last(2, &RouterWindow::largest_share) + " of the assignments (even: " + fixed(1 / num_experts, 2) +
      "), effective experts " + of_last(2, &RouterWindow::effective_share) + " E by counts and " +
      of_last(2, &RouterWindow::gate_mass_share) + " E by gate mass, " + of_last(0, &RouterWindow::num_cold) +
      " cold; dropped " + each(result, 0, [](const BreakRuns& r) { return 100 * last(*r.broken).drop_rate; }) +
      " %. Main loss " + of_last(3, &RouterWindow::loss) + " (healthy twin " +
      each(result, 3, [](const BreakRuns& r) { return last(*r.healthy).loss; }) + "), aux loss " +
      of_last(3, &RouterWindow::aux_loss) + ".";
  if (last_main_gradient(*result.seeds.front().broken)) {
    text += " Norm of the router's gradient of the main loss " +
            each(result, 5, [](const BreakRuns& r) { return last_main_gradient(*r.broken).value_or(NAN); }) +
            " (healthy twin " +
            each(result, 5, [](const BreakRuns& r) { return last_main_gradient(*r.healthy).value_or(NAN); }) + ").";
  }
  text += " Validation: broken minus healthy " + signed_text(spread_over_seeds(result, to_healthy)) +
          ", broken minus dense " + signed_text(spread_over_seeds(result, to_dense)) + " nats (" +
          (result.seeds.size() == 1 ? "1 seed" : std::to_string(result.seeds.size()) + " seeds") + ").";
  return text;
}

std::string recovery(const BreakResult& result) {
  std::string steps;
  for (const BreakRuns& runs : result.seeds) {
    const auto from = healthy_from(*runs.fixed);
    const auto even = even_from(*runs.fixed);
    steps += (steps.empty() ? "" : "; ") + std::string("seed ") + std::to_string(runs.seed) + " even ";
    steps += even ? "from the window that ends at step " + std::to_string(*even) + " on, " : "never, ";
    steps += (from ? "judged healthy from step " + std::to_string(*from)
                   : "not healthy by the end (" + runs.fixed->verdict() + ")");
  }
  return "From the broken weights, with the fix and a new schedule: " + steps + ". At the end effective experts " +
         each(result, 2, [](const BreakRuns& r) { return last(*r.fixed).effective_share; }) + " E by counts, " +
         each(result, 2, [](const BreakRuns& r) { return last(*r.fixed).gate_mass_share; }) + " E by gate mass.";
}

}  // namespace cli
