// SPDX-License-Identifier: Apache-2.0
#include "minimoe/data/token_source.hpp"

#include <algorithm>
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

std::vector<Split> evaluation_splits(const TokenSource& source) {
  std::vector<Split> splits;
  for (const Split split : {Split::kVal, Split::kHeldOutVerbs, Split::kHeldOutCombinations}) {
    if (source.num_eval_windows(split, 1) > 0) splits.push_back(split);
  }
  return splits;
}

std::uint64_t require_eval_windows(const TokenSource& source, Split split, std::size_t seq_len) {
  const std::uint64_t count = source.num_eval_windows(split, seq_len);
  if (count > 0) return count;
  const std::vector<Split> splits = evaluation_splits(source);
  std::string names;
  for (const Split known : splits) names += concat(names.empty() ? "" : ", ", split_name(known));
  const bool is_there = std::find(splits.begin(), splits.end(), split) != splits.end();
  require(is_there, source.name(), " has no split ", split_name(split), " to evaluate, it has ",
          names.empty() ? "none" : names);
  throw Error(ErrorCode::kInvalidArgument,
              concat(source.name(), " has no ", split_name(split), " window of ", seq_len + 1, " tokens"));
}

}  // namespace minimoe
