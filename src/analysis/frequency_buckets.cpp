// SPDX-License-Identifier: Apache-2.0
#include "analysis/frequency_buckets.hpp"

#include <algorithm>

#include "analysis/held_out_entropy.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

std::uint8_t bucket_of(std::uint64_t count) {
  std::uint8_t bucket = 0;
  for (std::uint64_t top = 10; count > top; top *= 10) ++bucket;
  return bucket;
}

}  // namespace

FrequencyBuckets frequency_buckets(std::span<const std::int32_t> words) {
  const std::vector<std::uint64_t> keys(words.begin(), words.end());
  const Grouping groups = group_by(keys);
  std::vector<std::uint64_t> counts(groups.count);
  for (const std::uint32_t id : groups.ids) ++counts[id];
  FrequencyBuckets buckets;
  std::uint8_t last = 0;
  for (const std::uint64_t count : counts) last = std::max(last, bucket_of(count));
  std::uint64_t low = 1, high = 10;
  for (std::uint8_t bucket = 0; bucket <= last; ++bucket, low = high + 1, high *= 10) {
    buckets.names.push_back(concat(low, "-", high));
  }
  for (const std::uint32_t id : groups.ids) buckets.labels.push_back(bucket_of(counts[id]));
  return buckets;
}

}  // namespace minimoe
