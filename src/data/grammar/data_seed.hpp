// SPDX-License-Identifier: Apache-2.0
// The corpus' own seed: evaluation sentences and held-out triples are the same for every run.
#pragma once

#include <cstdint>

namespace minimoe::grammar {

constexpr std::uint64_t kDataSeed = 36;

}  // namespace minimoe::grammar
