// SPDX-License-Identifier: Apache-2.0
// A Mixture-of-Experts feed-forward layer: router, dispatch, grouped experts, combine, and the balance losses.
#pragma once

#include "minimoe/moe/moe_config.hpp"
#include "minimoe/moe/routing_stats.hpp"

namespace minimoe {

/// How the tokens of one forward call are to be routed.
struct RoutingContext {
  View<const std::uint8_t, 1> valid = {};  ///< [T], 0 = padding (not routed: output 0, gradient 0); absent: all valid
  std::size_t seq_len = 0;                 ///< tokens a sequence, T = B * seq_len; needed for AuxLossScope::kSequence
  bool training = false;                   ///< chooses capacity_factor or eval_capacity_factor
  bool dropless = false;                   ///< lifts the capacity, whichever it is: no assignment is dropped
};

/// What the balance losses contribute to one backward call. Coefficients are effective: aux_loss_coef and z_loss_coef
/// divided by the number of MoE layers (and, for micro-batch means, by the number of micro-batches).
struct BalanceGradient {
  double aux_coef = 0;
  double z_coef = 0;
  std::int64_t num_tokens = 0;  ///< tokens over which P and the z mean are taken; 0: those of this call
  View<const std::int64_t, 1> global_load =
      {};                          ///< [E] counts of the whole step for kGlobalBatch; absent: those of this call
  std::int64_t num_sequences = 0;  ///< kSequence: sequences in the mean; 0: those of this call
};

/// What one forward leaves for its backward, and scratch; owned by the caller and planned once. Several may be alive at
/// a time.
template <class T>
struct MoECache {
  // Valid after forward, in their first T rows; rows of invalid tokens are zero (topk_idx: -1).
  View<T, 2> router_logits_TE;
  View<T, 2> router_probs_TE;         ///< scores normalised to sum 1: what the aux loss sees
  View<T, 2> scores_TE;               ///< sigmoids for kSigmoidTopkRenorm; absent otherwise
  View<std::int32_t, 2> topk_idx_TK;  ///< by descending biased score, ties to the lower index
  View<T, 2> gate_weights_TK;         ///< from the unbiased scores
  View<std::uint8_t, 2> kept_TK;      ///< 0 where capacity dropped the assignment

  // The layer's own: the kept assignments as rows grouped by expert (R of them), activations, scratch.
  std::size_t num_tokens = 0, num_valid = 0;  ///< T and N of the forward that the cache holds
  bool holds_forward = false;                 ///< a backward consumes the activations
  View<double, 1> lse_T;                      ///< logsumexp of each token's logits
  View<std::int32_t, 1> token_N;              ///< the valid tokens, ascending
  View<std::int32_t, 2> slot_row_TK;          ///< row of each slot; -1: dropped, or of an invalid token
  View<std::int32_t, 1> row_token_R;
  View<std::int64_t, 1> expert_begin;  ///< [E + 1] expert e has rows [expert_begin[e], expert_begin[e + 1])
  View<std::int64_t, 1> count_E;       ///< scratch for counting
  View<double, 1> value_E;             ///< scratch for balance losses and their slopes
  View<std::int32_t, 1> order_T;       ///< scratch of DropPriority::kProbability; absent otherwise
  View<T, 2> d_gate_weights_TK, d_logits_NE;
  View<T, 2> x_RD, y_RD;   ///< what experts read and wrote; in backward the gradients of both
  View<T, 2> d_shared_TD;  ///< of the shared experts' input; absent without them
  // Of the shared experts' gate, absent without one: what the shared experts wrote (in backward its gradient), their
  // row of each token (-1: padding), sigmoids, gradients.
  View<T, 2> shared_ND;
  View<std::int32_t, 2> shared_row_T1;
  View<T, 2> shared_gate_T1, d_shared_gate_T1;
  FeedForwardCache<T> experts_R, shared;

  void plan(Arena& arena, const MoEConfig& config, std::size_t max_tokens);
};

template <class T>
class MoELayer {
 public:
  /// @throws Error(kInvalidArgument) listing every problem of config.
  explicit MoELayer(const MoEConfig& config, MemoryResource* resource = nullptr);

  const MoEConfig& config() const { return config_; }

  /// Registers prefix.router.weight [E, D], prefix.router.bias [E] (if any), prefix.expert_bias [E] (buffer),
  /// prefix.experts.{w_gate_proj,w_up_proj} [E, F, D], .b_up_proj [E, F], .w_down_proj [E, D, F], .b_down_proj [E, D],
  /// the shared experts under prefix.shared, and prefix.shared_gate.weight [1, D] (if any). An empty prefix gives
  /// "router.weight".
  void collect_parameters(const std::string& prefix, ParameterList<T>& list);

  /// y[t] = sum over kept slots k of gate_weights[t,k] * expert(topk_idx[t,k], x[t]), plus the shared experts, with
  /// shared_expert_gate times sigmoid(x[t] . shared_gate.weight).
  /// @param y, x [T, D]; T = 0 is allowed. stats is reset and filled. The aux loss is computed whatever its
  /// coefficient.
  /// @throws Error(kNonFinite) naming the token when a router logit is NaN or infinite.
  void forward(Exec& exec, View<T, 2> y, In<T, 2> x, const RoutingContext& context, MoECache<T>& cache,
               RoutingStats& stats) const;

  /// d_x overwritten; parameter gradients accumulate, those of the balance losses included.
  void backward(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> x, const RoutingContext& context, MoECache<T>& cache,
                const BalanceGradient& balance);

  View<T, 1> expert_bias() { return expert_bias_.value; }
  /// The experts' parameters, for src/moe/experts.hpp.
  ExpertWeights<T> expert_weights() const;

 private:
  MoEConfig config_;
  Parameter<T, 2> router_weight_, shared_gate_;
  Parameter<T, 1> router_bias_, expert_bias_;
  Parameter<T, 3> w_gate_proj_, w_up_proj_, w_down_proj_;
  Parameter<T, 2> b_up_proj_, b_down_proj_;
  std::vector<FeedForward<T>> shared_;  // empty or one

  void check_call(const char* where, In<T, 2> x, const RoutingContext& context, const MoECache<T>& cache) const;
  void forward_shared(Exec& exec, View<T, 2> y, In<T, 2> x, MoECache<T>& cache) const;
  void backward_shared_add(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> x_ND, MoECache<T>& cache);
  void backward_gated_shared_add(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> x_ND, MoECache<T>& cache);
};

}  // namespace minimoe
