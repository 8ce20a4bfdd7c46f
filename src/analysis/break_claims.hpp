// SPDX-License-Identifier: Apache-2.0
// What came of a break over all its seeds, in sentences that are chosen by figures.
#pragma once

#include "analysis/break_signals.hpp"
#include "minimoe/analysis/router_breaks.hpp"

namespace minimoe {

struct BreakResult {
  RouterBreak definition;
  std::vector<BreakRuns> seeds;  ///< one or more
};

/// What is commonly said, held against what was measured.
struct ClaimCheck {
  BreakClaim claim;
  bool holds = false;
  std::string text;     ///< one sentence with figures
  bool decided = true;  ///< false: the runs were shorter than the break's own, so this says nothing yet
};
std::vector<ClaimCheck> check_claims(const BreakResult& result);

/// The symptom as measured, in a few sentences.
std::string break_symptom(const BreakResult& result);
/// How the broken weights fared under the fix.
std::string break_recovery(const BreakResult& result);

}  // namespace minimoe
