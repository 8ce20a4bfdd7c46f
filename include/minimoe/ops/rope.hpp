// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding (Su et al., "RoFormer", arXiv:2104.09864).
#pragma once

#include "minimoe/core/exec.hpp"

namespace minimoe {

enum class RopePairing {
  kHalfSplit,    ///< rotates (x[i], x[i + d/2]): Hugging Face Llama, GPT-NeoX
  kInterleaved,  ///< rotates (x[2i], x[2i + 1]): the paper, Meta's Llama
};

/// cos and sin [S, head_dim / 2] of position s times theta^(-2i / head_dim).
template <class T>
void rope_tables(View<T, 2> cos, View<T, 2> sin, double theta);

/// Rotates, in place, heads 0 .. num_heads - 1 of x [B * S, M] (head h is columns [h * head_dim, (h + 1) * head_dim),
/// head_dim = 2 * cos.shape(1)); token t stands at position t % seq_len.
template <class T>
void rope_forward(Exec& exec, View<T, 2> x, std::size_t num_heads, std::size_t seq_len, In<T, 2> cos, In<T, 2> sin,
                  RopePairing pairing);
/// The inverse rotation, in place on the gradient.
template <class T>
void rope_backward(Exec& exec, View<T, 2> d_x, std::size_t num_heads, std::size_t seq_len, In<T, 2> cos, In<T, 2> sin,
                   RopePairing pairing);

}  // namespace minimoe
