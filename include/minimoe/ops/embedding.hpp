// SPDX-License-Identifier: Apache-2.0
// Token and learned position embeddings.
#pragma once

#include "minimoe/core/exec.hpp"

namespace minimoe {

/// x[t,:] = weight[tokens[t],:]. @throws Error(kInvalidArgument) naming the position, the id and the vocabulary size.
template <class T>
void token_embedding_forward(Exec& exec, View<T, 2> x, View<const std::int32_t, 1> tokens, In<T, 2> weight);
/// d_weight[tokens[t],:] += d_x[t,:], in token order.
template <class T>
void token_embedding_backward(Exec& exec, View<T, 2> d_weight, In<T, 2> d_x, View<const std::int32_t, 1> tokens);

/// x[t,:] += weight[t % seq_len,:]. @param weight [max_seq_len, D], seq_len <= max_seq_len.
template <class T>
void position_embedding_forward_add(Exec& exec, View<T, 2> x, In<T, 2> weight, std::size_t seq_len);
/// d_weight[s,:] += sum over sequences of d_x.
template <class T>
void position_embedding_backward(Exec& exec, View<T, 2> d_weight, In<T, 2> d_x, std::size_t seq_len);

}  // namespace minimoe
