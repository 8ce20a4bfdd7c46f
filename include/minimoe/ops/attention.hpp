// SPDX-License-Identifier: Apache-2.0
// Causal multi-head attention with grouped key/value heads; no S x S matrix is kept.
#pragma once

#include "minimoe/core/exec.hpp"

namespace minimoe {

/// Sizes of one attention call over the fused projection qkv [B * S, (num_heads + 2 * num_kv_heads) * head_dim], whose
/// columns are all query heads, then all key heads, then all value heads. Query head h reads key/value head h /
/// (num_heads / num_kv_heads).
struct AttentionShape {
  std::size_t batch_size = 0;
  std::size_t seq_len = 0;
  std::size_t num_heads = 0;
  std::size_t num_kv_heads = 0;  ///< divides num_heads
  std::size_t head_dim = 0;

  std::size_t num_tokens() const { return batch_size * seq_len; }
  std::size_t qkv_width() const { return (num_heads + 2 * num_kv_heads) * head_dim; }
  std::size_t width() const { return num_heads * head_dim; }
};

/// Scratch elements that one worker of exec needs (linear in seq_len); the same for forward and backward.
std::size_t attention_scratch_size(const AttentionShape& shape);

/// y = softmax(q k^T / sqrt(head_dim), causal) v per head.
///
/// @param y [T, num_heads * head_dim]. @param lse [T, num_heads] log of the sum of exponentials of each query's scaled
/// scores,
///   for backward; absent at inference. @param scratch [exec.num_threads(), >= attention_scratch_size(shape)].
/// A query's result does not depend on other queries, nor on other sequences of the batch.
template <class T>
void causal_attention_forward(Exec& exec, View<T, 2> y, OptionalOut<T, 2> lse, In<T, 2> qkv,
                              const AttentionShape& shape, View<T, 2> scratch);
/// d_qkv overwritten. @param y, lse as forward left them.
template <class T>
void causal_attention_backward(Exec& exec, View<T, 2> d_qkv, In<T, 2> d_y, In<T, 2> y, In<T, 2> lse, In<T, 2> qkv,
                               const AttentionShape& shape, View<T, 2> scratch);

}  // namespace minimoe
