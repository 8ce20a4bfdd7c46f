// SPDX-License-Identifier: Apache-2.0
// How often a token's word form occurs, in powers of ten: what stands in for classes where there are none.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace minimoe {

struct FrequencyBuckets {
  std::vector<std::string> names;    ///< "1-10", "11-100", ... up to that of the most frequent word form
  std::vector<std::uint8_t> labels;  ///< [T] index into names
};

/// By the counts in `words` itself.
FrequencyBuckets frequency_buckets(std::span<const std::int32_t> words);

}  // namespace minimoe
