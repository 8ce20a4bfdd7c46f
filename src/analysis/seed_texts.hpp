// SPDX-License-Identifier: Apache-2.0
// Figures of a break's seeds, side by side in a text.
#pragma once

#include <cmath>

#include "analysis/break_signals.hpp"
#include "analysis/number_text.hpp"
#include "minimoe/analysis/paired_statistics.hpp"

namespace minimoe {

/// "0.93 / 0.85 / 0.87", one figure a seed.
template <class ValueOf>
std::string each_seed(const std::vector<BreakRuns>& seeds, int decimals, ValueOf&& value_of) {
  std::string text;
  for (const BreakRuns& runs : seeds) text += (text.empty() ? "" : " / ") + fixed_text(value_of(runs), decimals);
  return text;
}

/// "+0.0021 ± 0.0004", of one value without the deviation.
template <class ValueOf>
std::string seeds_spread(const std::vector<BreakRuns>& seeds, ValueOf&& value_of) {
  std::vector<double> values;
  values.reserve(seeds.size());
  for (const BreakRuns& runs : seeds) values.push_back(value_of(runs));
  const Spread s = spread_of(std::move(values));
  std::string text = (s.mean < 0 ? "-" : "+") + fixed_text(std::abs(s.mean), 4);
  return s.values.size() > 1 ? text += " ± " + fixed_text(s.std, 4) : text;
}

/// "collapsed, skewed": of one of the runs of each seed, which has routers.
inline std::string seeds_verdicts(const std::vector<BreakRuns>& seeds, LabRun BreakRuns::*run) {
  std::string text;
  for (const BreakRuns& runs : seeds) text += (text.empty() ? "" : ", ") + *(runs.*run).verdict;
  return text;
}

inline double broken_minus_dense(const BreakRuns& runs) { return runs.broken.val_loss - runs.dense.val_loss; }
inline double broken_minus_healthy(const BreakRuns& runs) { return runs.broken.val_loss - runs.healthy.val_loss; }

}  // namespace minimoe
