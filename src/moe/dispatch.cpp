// SPDX-License-Identifier: Apache-2.0
#include "moe/dispatch.hpp"

#include <algorithm>
#include <numeric>

namespace minimoe {
namespace {

template <class T>
void keep_all(MoECache<T>& cache) {
  const std::size_t top_k = cache.kept_TK.shape(1);
  for (std::size_t n = 0; n < cache.num_valid; ++n) {
    std::fill_n(cache.kept_TK.row(cache.token_N.data()[n]), top_k, std::uint8_t{1});
  }
}

template <class T>
void keep_first(MoECache<T>& cache, std::int64_t capacity) {
  const std::size_t top_k = cache.kept_TK.shape(1);
  std::int64_t* count_E = cache.count_E.data();
  std::fill_n(count_E, cache.count_E.size(), std::int64_t{0});
  for (std::size_t n = 0; n < cache.num_valid; ++n) {
    const std::int32_t t = cache.token_N.data()[n];
    const std::int32_t* topk_idx = cache.topk_idx_TK.row(t);
    std::uint8_t* kept = cache.kept_TK.row(t);
    for (std::size_t k = 0; k < top_k; ++k) kept[k] = count_E[topk_idx[k]]++ < capacity;
  }
}

/// Cuts the lowest gate weights of one expert; of equal ones, the later token's.
template <class T>
void cut_lowest(MoECache<T>& cache, std::int32_t expert, std::size_t capacity) {
  const std::size_t top_k = cache.kept_TK.shape(1);
  const T* weight = cache.gate_weights_TK.data();
  std::int32_t* slots = cache.order_T.data();
  std::size_t count = 0;
  for (std::size_t n = 0; n < cache.num_valid; ++n) {
    const std::int32_t first = cache.token_N.data()[n] * static_cast<std::int32_t>(top_k);
    for (std::size_t k = 0; k < top_k; ++k) {
      const std::int32_t slot = first + static_cast<std::int32_t>(k);
      if (cache.topk_idx_TK.data()[slot] == expert) slots[count++] = slot;
    }
  }
  std::nth_element(slots, slots + capacity, slots + count, [&](std::int32_t a, std::int32_t b) {
    return weight[a] != weight[b] ? weight[a] > weight[b] : a < b;
  });
  for (std::size_t i = capacity; i < count; ++i) cache.kept_TK.data()[slots[i]] = 0;
}

}  // namespace

template <class T>
std::int64_t drop_over_capacity(MoECache<T>& cache, View<std::int64_t, 1> dropped_E, View<const std::int64_t, 1> load_E,
                                std::size_t capacity, DropPriority priority) {
  const auto limit = static_cast<std::int64_t>(capacity);
  if (cache.num_valid < cache.num_tokens) {
    std::fill_n(cache.kept_TK.data(), cache.num_tokens * cache.kept_TK.shape(1), std::uint8_t{0});
  }
  std::int64_t num_dropped = 0;
  for (std::size_t e = 0; e < load_E.size(); ++e) {
    dropped_E(e) = std::max(load_E(e) - limit, std::int64_t{0});
    num_dropped += dropped_E(e);
  }
  if (num_dropped > 0 && priority == DropPriority::kPosition) {
    keep_first(cache, limit);
    return num_dropped;
  }
  keep_all(cache);
  for (std::size_t e = 0; e < load_E.size(); ++e) {
    if (dropped_E(e) > 0) cut_lowest(cache, static_cast<std::int32_t>(e), capacity);
  }
  return num_dropped;
}

template <class T>
void group_by_expert(MoECache<T>& cache) {
  const std::size_t top_k = cache.kept_TK.shape(1);
  std::int64_t* count_E = cache.count_E.data();
  std::int64_t* begin = cache.expert_begin.data();
  const std::size_t num_experts = cache.count_E.size();
  std::fill_n(count_E, num_experts, std::int64_t{0});
  for (std::size_t n = 0; n < cache.num_valid; ++n) {
    const std::int32_t t = cache.token_N.data()[n];
    for (std::size_t k = 0; k < top_k; ++k) count_E[cache.topk_idx_TK.row(t)[k]] += cache.kept_TK.row(t)[k];
  }
  begin[0] = 0;
  std::partial_sum(count_E, count_E + num_experts, begin + 1);
  std::copy_n(begin, num_experts, count_E);  // from here on the next free row of each expert

  if (cache.num_valid < cache.num_tokens) {
    std::fill_n(cache.slot_row_TK.data(), cache.num_tokens * top_k, std::int32_t{-1});
  }
  for (std::size_t n = 0; n < cache.num_valid; ++n) {
    const std::int32_t t = cache.token_N.data()[n];
    for (std::size_t k = 0; k < top_k; ++k) {
      std::int32_t row = -1;
      if (cache.kept_TK.row(t)[k]) {
        row = static_cast<std::int32_t>(count_E[cache.topk_idx_TK.row(t)[k]]++);
        cache.row_token_R.data()[row] = t;
      }
      cache.slot_row_TK.row(t)[k] = row;
    }
  }
}

#define MINIMOE_INSTANTIATE(T)                                                                               \
  template std::int64_t drop_over_capacity(MoECache<T>&, View<std::int64_t, 1>, View<const std::int64_t, 1>, \
                                           std::size_t, DropPriority);                                       \
  template void group_by_expert(MoECache<T>&);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
