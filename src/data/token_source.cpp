// SPDX-License-Identifier: Apache-2.0
#include "minimoe/data/token_source.hpp"

#include <array>

namespace minimoe {
namespace {

struct NamedSplit {
  Split split;
  const char* name;
};
constexpr std::array<NamedSplit, 4> kSplits = {{{Split::kTrain, "train"},
                                                {Split::kVal, "val"},
                                                {Split::kHeldOutVerbs, "held-out-verbs"},
                                                {Split::kHeldOutCombinations, "held-out-combinations"}}};

}  // namespace

const char* split_name(Split split) {
  for (const NamedSplit& entry : kSplits) {
    if (entry.split == split) return entry.name;
  }
  throw Error(ErrorCode::kInvalidArgument, concat("split_name: ", static_cast<int>(split), " is no split"));
}

Split split_from_name(const std::string& name) {
  for (const NamedSplit& entry : kSplits) {
    if (entry.name == name) return entry.split;
  }
  throw Error(ErrorCode::kInvalidArgument,
              concat("split \"", name, "\" is unknown, expected train, val, held-out-verbs or held-out-combinations"));
}

}  // namespace minimoe
