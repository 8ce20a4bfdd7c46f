// SPDX-License-Identifier: Apache-2.0
// How large a piece of an op one worker takes: large enough to hide the hand-over, and a function of sizes only.
#pragma once

#include <algorithm>
#include <cstddef>

#include "core/simd/kernels.hpp"
#include "minimoe/core/exec.hpp"

namespace minimoe {

inline constexpr std::size_t kElementsPerChunk = 16384;

inline std::size_t rows_per_chunk(std::size_t width) {
  return std::max<std::size_t>(1, kElementsPerChunk / std::max<std::size_t>(1, width));
}

/// Columns per chunk when the sum over rows stays with one worker: whole cache lines, and enough chunks to share out.
inline std::size_t columns_per_chunk(std::size_t num_columns) { return num_columns >= 256 ? 64 : 16; }

}  // namespace minimoe
