// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace minimoe {

// Keys per block of the products that sum over keys. A query's output is a sum over blocks of keys counted from 0, in
// which masked keys are exact zeros: it depends on the keys up to the query and on nothing else.
inline constexpr std::size_t kKeyBlock = 32;

}  // namespace minimoe
