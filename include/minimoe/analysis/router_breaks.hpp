// SPDX-License-Identifier: Apache-2.0
// Named ways to break a router, each one setting away from a run that is well.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "minimoe/train/run_config.hpp"

namespace minimoe {

/// Something that is commonly said of a break, and that a run can confirm or contradict.
enum class BreakClaim {
  kCollapsed,       ///< the verdict at the end is "collapsed"
  kSham,            ///< ... is "sham"
  kUneven,          ///< ... is not "healthy"
  kShareAbove80,    ///< one expert gets more than 80 % of a window's assignments; impossible for K >= 2
  kMainLossFine,    ///< the main loss stays within 2 % of the healthy run's
  kWorseThanDense,  ///< validation ends more than 0.01 above the dense model's
};
const char* break_claim_name(BreakClaim claim);

struct RouterBreak {
  std::string name;                ///< "headstart"
  std::string topic;               ///< what it teaches, in a few words
  std::string claim;               ///< what is commonly said to happen; what does happen is measured
  std::vector<BreakClaim> claims;  ///< the same, one by one
  RunConfig healthy, broken;       ///< differ in one key; same seed, start values and batches
  /// The broken run goes on with this, from its own weights. Without bias balancing its expert_bias starts again at 0:
  /// left as it is it would keep the counts even, and even counts leave the balance loss no gradient.
  RunConfig fixed;
  std::string hidden_cause;
  std::array<std::string, 3> hints;  ///< what to look at, from far to near
};

/// Every break, in the order in which to read them. model.vocab_size is 0 (that of the data); the corpus is the
/// embedded one and may be replaced.
std::vector<RouterBreak> router_breaks();

}  // namespace minimoe
