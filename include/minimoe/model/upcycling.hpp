// SPDX-License-Identifier: Apache-2.0
// Sparse upcycling: a Mixture-of-Experts model that begins as a copy of a dense one.
#pragma once

#include "minimoe/model/minigpt.hpp"

namespace minimoe {

struct UpcyclingOptions {
  std::size_t num_experts = 8;  ///< E, 2..4096
  std::size_t top_k = 2;        ///< K, 2..E
  /// Blocks whose FFN becomes an MoE layer, ascending. Empty: all of them, as in Mixtral and Qwen's MoE models;
  /// Komatsuzaki et al. took every other one, from the second on.
  std::vector<std::size_t> layers;
  /// Every order whose weights of a token sum to 1: kSoftmaxTopkRenorm, kTopkSoftmax, kSigmoidTopkRenorm.
  GateOrder gate_order = GateOrder::kSoftmaxTopkRenorm;
  double router_init_std = 0.02;  ///< of the fresh router, finite, > 0: equal logits would choose experts 0..K-1
};

/// `dense` with MoE layers of E experts, each as wide as its d_ff; the rest of their configuration is the default
/// (dropless, no shared experts).
///
/// All experts of a layer compute the same y, so the layer gives sum_k gate_weights[t,k] * y[t] = y[t] when the weights
/// of a token sum to 1, whatever the router chooses: the loss at step 0 is the dense model's, to rounding. Without
/// renormalisation they sum to less (K/E at even probabilities). K = 1 is refused: its one weight is either below 1,
/// or the constant 1, which leaves the router without a gradient from the main loss.
///
/// @throws Error(kInvalidArgument) listing every bad option, or for a model that has MoE layers.
/// @see Komatsuzaki et al., "Sparse Upcycling", arXiv:2212.05055.
ModelConfig upcycled_config(const ModelConfig& dense, const UpcyclingOptions& options);

/// Fills `model`, of upcycled_config: each expert is a copy of its block's dense FFN, the router is drawn by (seed,
/// name, index), expert_bias is 0, all else is copied.
/// @param dense parameters of the dense model
template <class T>
void upcycle_weights(MiniGPT<T>& model, const ParameterList<T>& dense, std::uint64_t seed);

}  // namespace minimoe
