// SPDX-License-Identifier: Apache-2.0
// Everything that defines an MoE layer. docs/terms.md has the meaning of each word.
#pragma once

#include <vector>

#include "minimoe/moe/feed_forward.hpp"

namespace minimoe {

/// How router logits become chosen experts and combine weights.
enum class GateOrder {
  kAuto,               ///< kSoftmaxTopkRenorm for K > 1, kSoftmaxTopk for K = 1
  kSoftmaxTopkRenorm,  ///< softmax over all, top-k, divide by the sum (Mixtral)
  kSoftmaxTopk,        ///< softmax over all, top-k, no renormalisation (OLMoE, Switch K = 1)
  kTopkSoftmax,        ///< top-k, softmax over the K logits (Megatron, gpt-oss)
  kSigmoidTopkRenorm,  ///< sigmoid, top-k, divide by the sum, times routed_scale (DeepSeek-V3)
};

/// Over which tokens the Switch loss takes its load shares and mean probabilities.
enum class AuxLossScope { kMicroBatch, kSequence, kGlobalBatch };

/// Which assignments keep their slot when an expert is over capacity.
enum class DropPriority {
  kPosition,     ///< earlier tokens first; slot order inside a token
  kProbability,  ///< highest gate weight first, ties to the lower token; not causal
};

struct MoEConfig {
  // Affects results.
  std::size_t d_model = 64;     ///< D
  std::size_t num_experts = 4;  ///< E, 1..4096
  std::size_t top_k = 2;        ///< K, 1..E
  std::size_t d_expert = 256;   ///< F: hidden width of one expert, 1..2^20
  FfnKind ffn = FfnKind::kGelu;
  Gelu gelu = Gelu::kTanh;
  GateOrder gate_order = GateOrder::kAuto;
  bool allow_constant_gate =
      false;                ///< permit K = 1 with a renormalised or K-only softmax (weight 1, no router gradient)
  double routed_scale = 1;  ///< kSigmoidTopkRenorm: factor on the combine weights, 1e-6..1e6

  std::size_t num_shared_experts =
      0;  ///< one dense FFN of num_shared_experts * d_expert, added to every token; 0: none
  bool shared_expert_gate =
      false;  ///< its output is multiplied by sigmoid(x . w), w a trained vector (Qwen2-MoE); needs shared experts

  double router_init_std = 0.02;              ///< >= 0; 0 is a zero router: every token picks experts 0..K-1
  bool router_bias = false;                   ///< a trained bias on the logits
  std::vector<double> router_bias_init = {};  ///< start of the router bias, [E]; empty: zeros. Needs router_bias
  double router_learning_rate_factor = 1;     ///< multiplies the learning rate of the router's weight and bias, >= 0

  double aux_loss_coef = 0.01;  ///< Switch loss coefficient, >= 0; 0: computed and reported, not differentiated
  AuxLossScope aux_loss_scope = AuxLossScope::kMicroBatch;
  double z_loss_coef = 0;          ///< router z-loss coefficient, >= 0
  bool bias_balancing = false;     ///< aux-loss-free balancing: update expert_bias once an optimizer step
  double bias_update_rate = 1e-3;  ///< u in b_i += u * sign(mean(c) - c_i), >= 0
  bool bias_guard = true;       ///< warn once when bias balancing begins on a router whose gate mass is on few experts
  bool bias_centering = false;  ///< subtract the mean of the step from the update; never changes who is chosen

  double capacity_factor = 0;       ///< training; 0: dropless
  double eval_capacity_factor = 0;  ///< evaluation and inference; 0: dropless
  DropPriority drop_priority = DropPriority::kPosition;

  double init_std = 0.02;       ///< start of the experts' w_gate_proj and w_up_proj
  double init_std_down = 0.02;  ///< start of the experts' w_down_proj

  GateOrder resolved_gate_order() const {
    return gate_order != GateOrder::kAuto ? gate_order
                                          : (top_k > 1 ? GateOrder::kSoftmaxTopkRenorm : GateOrder::kSoftmaxTopk);
  }
  /// One message for each bad field, prefixed by its key ("moe.top_k: ..."); empty when all is well.
  std::vector<std::string> problems() const;
};

/// C = min(T, ceil(capacity_factor * T * K / E - 1e-9)); T when the factor is 0 (dropless: no expert can get more).
std::size_t expert_capacity(double capacity_factor, std::size_t num_tokens, std::size_t top_k, std::size_t num_experts);

}  // namespace minimoe
