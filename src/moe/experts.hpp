// SPDX-License-Identifier: Apache-2.0
// Grouped feed-forward networks: rows [begin[e], begin[e + 1]) go through network e. The dense FeedForward is the same
// function with one group.
#pragma once

#include "minimoe/moe/feed_forward.hpp"

namespace minimoe {

template <class T>
struct ExpertWeights {
  View<const T, 3> w_gate_proj_EFD;  ///< SwiGLU; else absent
  View<const T, 3> w_up_proj_EFD, w_down_proj_EDF;
  View<const T, 2> b_up_proj_EF, b_down_proj_ED;  ///< GELU; else absent
};

template <class T>
struct ExpertGradients {
  View<T, 3> w_gate_proj_EFD, w_up_proj_EFD, w_down_proj_EDF;
  View<T, 2> b_up_proj_EF, b_down_proj_ED;
};

/// y_RD = w_down * gelu(w_up * x + b_up) + b_down, or w_down * (silu(w_gate * x) * (w_up * x)).
/// @param expert_begin [E + 1], ascending from 0 to R. An expert without rows costs nothing.
template <class T>
void experts_forward(Exec& exec, View<T, 2> y_RD, const FeedForwardCache<T>& cache, In<T, 2> x_RD,
                     View<const std::int64_t, 1> expert_begin, const ExpertWeights<T>& weights, Gelu gelu);

/// Of all products of experts_forward over `num_rows` rows.
double experts_flops(const FeedForwardConfig& config, std::size_t num_rows);

/// d_x_RD overwritten (it may be the buffer of x_RD), gradients accumulate, those of an expert without rows
/// stay as they are. Consumes the cache.
template <class T>
void experts_backward(Exec& exec, View<T, 2> d_x_RD, const ExpertGradients<T>& gradients, In<T, 2> d_y_RD,
                      In<T, 2> x_RD, const FeedForwardCache<T>& cache, View<const std::int64_t, 1> expert_begin,
                      const ExpertWeights<T>& weights);

}  // namespace minimoe
