// SPDX-License-Identifier: Apache-2.0
#include "data/grammar/cell.hpp"

#include "data/grammar/data_seed.hpp"
#include "minimoe/core/random.hpp"

namespace minimoe::grammar {

void hold_out_combinations(std::vector<CellUse>& uses, const std::vector<std::string>& forms, std::uint64_t one_in,
                           const char* stream_name) {
  const RandomStream stream(kDataSeed, stream_name);
  constexpr std::size_t kCellsOfVerb = kNumTenses * kNumPersons;
  for (std::size_t i = 0; i < uses.size(); ++i) {
    if (uses[i] != kShown || forms[i].empty() || stream.below(i, one_in) != 0) continue;
    const std::size_t first = i / kCellsOfVerb * kCellsOfVerb;
    for (std::size_t other = first; other < first + kCellsOfVerb; ++other) {
      if (other != i && uses[other] == kShown && forms[other] == forms[i]) {
        uses[i] = kHeldOutCombination;
        break;
      }
    }
  }
}

}  // namespace minimoe::grammar
