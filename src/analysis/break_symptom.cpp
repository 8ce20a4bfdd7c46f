// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "analysis/break_claims.hpp"
#include "analysis/seed_texts.hpp"

namespace minimoe {
namespace {

double gradient_or_nan(const LabRun& run) {
  return last_main_gradient(run).value_or(std::numeric_limits<double>::quiet_NaN());
}

}  // namespace

std::string break_symptom(const BreakResult& result) {
  const std::vector<BreakRuns>& seeds = result.seeds;
  const auto of_last = [&](int decimals, auto member) {
    return each_seed(seeds, decimals,
                     [&](const BreakRuns& r) { return static_cast<double>(r.broken.windows.back().*member); });
  };
  const RouterWindow& window = seeds.front().broken.windows.back();
  const std::size_t num_experts = window.load.size();
  std::string text = concat(
      "Verdict ", seeds_verdicts(seeds, &BreakRuns::broken),
      " (healthy twin: ", seeds_verdicts(seeds, &BreakRuns::healthy), "). Steps ", window.first_step, " to ",
      window.last_step, ": the busiest of ", num_experts, " experts had ", of_last(2, &RouterWindow::largest_share),
      " of the assignments (even: ", fixed_text(1 / static_cast<double>(num_experts), 2), "), effective experts ",
      of_last(2, &RouterWindow::effective_share), " E by counts and ", of_last(2, &RouterWindow::gate_mass_share),
      " E by gate mass, ", of_last(0, &RouterWindow::num_cold), " cold; dropped ",
      each_seed(seeds, 0, [](const BreakRuns& r) { return 100 * r.broken.windows.back().drop_rate; }), " %. Main loss ",
      of_last(3, &RouterWindow::loss), " (healthy twin ",
      each_seed(seeds, 3, [](const BreakRuns& r) { return r.healthy.windows.back().loss; }), "), aux loss ",
      of_last(3, &RouterWindow::aux_loss), ".");
  if (last_main_gradient(seeds.front().broken)) {
    text += concat(" Norm of the router's gradient of the main loss ",
                   each_seed(seeds, 5, [](const BreakRuns& r) { return gradient_or_nan(r.broken); }), " (healthy twin ",
                   each_seed(seeds, 5, [](const BreakRuns& r) { return gradient_or_nan(r.healthy); }), ").");
  }
  return text + concat(" Validation: broken minus healthy ", seeds_spread(seeds, broken_minus_healthy),
                       ", broken minus dense ", seeds_spread(seeds, broken_minus_dense), " nats (", seeds.size(),
                       seeds.size() == 1 ? " seed)." : " seeds).");
}

std::string break_recovery(const BreakResult& result) {
  std::string steps;
  for (const BreakRuns& runs : result.seeds) {
    const auto from = healthy_from(runs.fixed), even = even_from(runs.fixed);
    steps += concat(steps.empty() ? "" : "; ", "seed ", runs.seed, " even ");
    steps += even ? concat("from the window that ends at step ", *even, " on, ") : "never, ";
    steps += from ? concat("judged healthy from step ", *from)
                  : concat("not healthy by the end (", *runs.fixed.verdict, ")");
  }
  return concat("From the broken weights, with the fix and a new schedule: ", steps, ". At the end effective experts ",
                each_seed(result.seeds, 2, [](const BreakRuns& r) { return r.fixed.windows.back().effective_share; }),
                " E by counts, ",
                each_seed(result.seeds, 2, [](const BreakRuns& r) { return r.fixed.windows.back().gate_mass_share; }),
                " E by gate mass.");
}

}  // namespace minimoe
