// SPDX-License-Identifier: Apache-2.0
// What came of a break, over all its seeds: as text, as JSON, and as breaks.md. Every sentence is chosen by figures.
#pragma once

#include "break_signals.hpp"

namespace cli {

struct BreakResult {
  Json definition;       ///< as config_breaks gives it
  Json healthy, broken;  ///< configurations that ran, of the first seed
  std::vector<BreakRuns> seeds;
};

/// What is commonly said, held against what was measured.
struct ClaimCheck {
  std::string claim;
  bool holds = false;
  std::string text;     ///< one sentence with figures
  bool decided = true;  ///< false: the runs were shorter than the break's own, so this says nothing yet
};
std::vector<ClaimCheck> check_claims(const BreakResult& result);
/// "agrees", "disagrees" or "cannot tell".
std::string outcome(const ClaimCheck& check);

/// The symptom as measured, in a few sentences.
std::string symptom(const BreakResult& result);
/// How the broken weights fared under the fix.
std::string recovery(const BreakResult& result);

/// After the logs: table and signals of the first seed, symptom, claims, recovery.
std::string break_text(const BreakResult& result);
Json break_json(const BreakResult& result);
/// Everything, in the order of `results`. @param command what was typed, @param corpus name of the data
std::string breaks_markdown(const std::vector<BreakResult>& results, const std::string& command,
                            const std::string& corpus);

}  // namespace cli
