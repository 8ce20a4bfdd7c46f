// SPDX-License-Identifier: Apache-2.0
// Causal attention of new tokens to those whose keys and values are kept.
#pragma once

#include "minimoe/core/arena.hpp"
#include "minimoe/ops/attention.hpp"

namespace minimoe {

/// Keys and values of one sequence in one layer, as attention reads them (normed, rotated), head by head.
template <class T>
struct KeyValues {
  View<T, 3> keys_GSd, values_GSd;  ///< [num_kv_heads, capacity, head_dim]
  /// With 2 * kAlignment bytes behind the values: products read whole vectors, so that much must be readable there.
  void plan(Arena& arena, std::size_t num_kv_heads, std::size_t capacity, std::size_t head_dim);
};

/// Scratch elements that one worker needs for a cache of `capacity` tokens.
std::size_t cached_attention_scratch_size(const AttentionShape& shape, std::size_t capacity);

/// Stores the keys and values of qkv [n, shape.qkv_width()], n = shape.seq_len, as those of tokens [first, first + n).
template <class T>
void store_keys_and_values(const KeyValues<T>& past, In<T, 2> qkv, const AttentionShape& shape, std::size_t first);

/// y [n, shape.width()]: what causal_attention_forward gives for the last n = shape.seq_len tokens of a sequence, bit
/// for bit, from their queries in qkv and from the first first + n keys and values of `past`, which hold theirs
/// already.
/// @param scratch [exec.num_threads(), >= cached_attention_scratch_size(shape, capacity)].
template <class T>
void cached_attention_forward(Exec& exec, View<T, 2> y, In<T, 2> qkv, const KeyValues<T>& past,
                              const AttentionShape& shape, std::size_t first, View<T, 2> scratch);

}  // namespace minimoe
