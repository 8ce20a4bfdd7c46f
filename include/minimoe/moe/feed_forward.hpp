// SPDX-License-Identifier: Apache-2.0
// The dense feed-forward network: the FFN of a dense block, and an MoE layer's shared experts.
#pragma once

#include "minimoe/core/arena.hpp"
#include "minimoe/core/parameter.hpp"
#include "minimoe/ops/activation.hpp"

namespace minimoe {

template <class T>
struct ExpertWeights;  // src/moe/experts.hpp

enum class FfnKind {
  kGelu,    ///< y = w_down * gelu(w_up * x + b_up) + b_down
  kSwiglu,  ///< y = w_down * (silu(w_gate * x) * (w_up * x)), no biases
};

struct FeedForwardConfig {
  std::size_t d_model = 64;  ///< D
  std::size_t d_ff = 256;    ///< F
  FfnKind kind = FfnKind::kGelu;
  Gelu gelu = Gelu::kTanh;
  double init_std = 0.02;       ///< start of w_gate_proj and w_up_proj
  double init_std_down = 0.02;  ///< start of w_down_proj (a residual projection: the model scales it by 1/sqrt(2L))
};

/// What backward needs; its gradients overwrite these buffers. Owned by the caller, planned once.
template <class T>
struct FeedForwardCache {
  View<T, 2> gate_TF;    ///< SwiGLU: w_gate x; else absent
  View<T, 2> up_TF;      ///< SwiGLU: w_up x; GELU: the slope of the activation at w_up x + b_up
  View<T, 2> hidden_TF;  ///< after the activation

  void plan(Arena& arena, const FeedForwardConfig& config, std::size_t max_tokens);
};

template <class T>
class FeedForward {
 public:
  explicit FeedForward(const FeedForwardConfig& config, MemoryResource* resource = nullptr);

  const FeedForwardConfig& config() const { return config_; }
  /// Registers prefix.w_gate_proj [F, D] (SwiGLU), prefix.w_up_proj [F, D], prefix.b_up_proj [F] (GELU),
  /// prefix.w_down_proj [D, F], prefix.b_down_proj [D] (GELU).
  void collect_parameters(const std::string& prefix, ParameterList<T>& list);

  /// @param y, x [T, D] with T <= the planned number of tokens; y must not overlap x.
  void forward(Exec& exec, View<T, 2> y, In<T, 2> x, FeedForwardCache<T>& cache) const;
  /// d_x overwritten, parameter gradients accumulate. cache is that of the forward of the same x; its activations are
  /// consumed.
  void backward(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> x, FeedForwardCache<T>& cache);

 private:
  ExpertWeights<T> weights() const;

  FeedForwardConfig config_;
  Parameter<T, 2> w_gate_proj_, w_up_proj_, w_down_proj_;
  Parameter<T, 1> b_up_proj_, b_down_proj_;
};

}  // namespace minimoe
