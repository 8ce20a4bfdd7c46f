// SPDX-License-Identifier: Apache-2.0
// What an argument is replaced by.
#pragma once

#include <optional>

#include "call.hpp"
#include "world.hpp"

enum class Expect {
  kFailure,       // whatever the other arguments are
  kFailureAlone,  // when all others are valid
  kSuccess,       // when all others are valid
  kEither,
};

struct Variant {
  std::string label;
  Expect expect = Expect::kEither;
  minimoe_status code = -1;            // of a failure, when only one is right
  std::optional<Value> value;          // instead of what the parameter had
  std::optional<std::string> content;  // instead of the valid bytes
  bool misaligned = false;
};

/// Every replacement of parameter `index`. `valid` has what a valid call passes, `needed` how many elements each output
/// then has.
std::vector<Variant> variants(const Function& function, std::size_t index, const std::vector<Valid>& valid,
                              const std::vector<std::size_t>& needed, const World& world);
