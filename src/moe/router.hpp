// SPDX-License-Identifier: Apache-2.0
// The router: logits, scores, the choice of K experts and their combine weights, and the way back to the logits.
#pragma once

#include "minimoe/moe/moe_layer.hpp"

namespace minimoe {

/// Denominators of the gate weights and of normalised sigmoids are at least the smallest normal number of T.
template <class T>
inline constexpr T kMinDenominator = std::numeric_limits<T>::min();

/// logits_TE[t, e] = sum_d x[t, d] * weight[e, d] + bias[e]; rows outside token_N become zero, whatever x holds there.
/// @throws Error(kNonFinite) naming the first valid token and expert whose logit is NaN or infinite.
template <class T>
void router_logits_forward(Exec& exec, View<T, 2> logits_TE, In<T, 2> x_TD, In<T, 2> weight_ED, In<T, 1> bias_E,
                           View<const std::int32_t, 1> token_N);

/// d_weight += d_logits^T x; d_bias += column sums (when present); d_x = d_logits * weight.
template <class T>
void router_logits_backward(Exec& exec, View<T, 2> d_x_ND, View<T, 2> d_weight_ED, View<T, 1> d_bias_E,
                            In<T, 2> d_logits_NE, In<T, 2> x_ND, In<T, 2> weight_ED);

/// From cache.router_logits_TE: router_probs, scores (sigmoid order), lse, and by the biased scores topk_idx and
/// gate_weights, for the valid tokens; zero (topk_idx: -1) for the others.
///
/// score = softmax(logits), or sigmoid(logits) in the sigmoid order; router_probs = score / sum(score).
/// topk_idx: the K largest score + expert_bias, descending, ties to the lower index.
/// gate_weights: kSoftmaxTopkRenorm  score / sum of the K scores;  kSoftmaxTopk  score;
///   kTopkSoftmax  softmax of the K logits;  kSigmoidTopkRenorm  routed_scale * score / sum of the K scores.
template <class T>
void gate_forward(Exec& exec, MoECache<T>& cache, In<T, 1> expert_bias_E, const MoEConfig& config);

/// Gradient of the logits from that of the gate weights and of the normalised probabilities, exact in every gate order;
/// the choice is piecewise constant and carries none.
///
/// @param d_logits_NE on entry d loss / d router_probs (the aux loss's), on return d loss / d logits; row n belongs to
/// token token_N[n]. @param d_gate_weights_TK zero at dropped slots. @param z_slope adds z_slope * lse *
/// softmax(logits) (z_slope = 2 * z_coef / number of tokens in the mean).
template <class T>
void gate_backward(Exec& exec, View<T, 2> d_logits_NE, In<T, 2> d_gate_weights_TK, const MoECache<T>& cache,
                   double z_slope, const MoEConfig& config);

}  // namespace minimoe
