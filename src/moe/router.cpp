// SPDX-License-Identifier: Apache-2.0
#include "moe/router.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/simd/kernels.hpp"
#include "minimoe/ops/linear.hpp"
#include "moe/sigmoid.hpp"

namespace minimoe {
namespace {

constexpr std::size_t kTokenChunk = 64;

/// Zeroes the rows of `out` whose token is not in token_N (ascending).
template <class Value>
void fill_invalid_rows(View<Value, 2> out, std::size_t num_tokens, View<const std::int32_t, 1> token_N, Value value) {
  std::size_t n = 0;
  for (std::size_t t = 0; t < num_tokens; ++t) {
    if (n < token_N.size() && token_N(n) == static_cast<std::int32_t>(t)) {
      ++n;
    } else {
      std::fill_n(out.row(t), out.shape(1), value);
    }
  }
}

/// probs = softmax(logits); returns logsumexp(logits).
template <class T>
double softmax_row(const Kernels<T>& kernels, T* probs, const T* logits, std::size_t num_experts) {
  T largest, sum;
  kernels.softmax_rows(probs, &largest, &sum, logits, 1, num_experts);
  return static_cast<double>(largest) + std::log(static_cast<double>(sum));
}

/// scores = sigmoid(logits), probs = scores / sum; returns logsumexp(logits).
template <class T>
double sigmoid_row(const Kernels<T>& kernels, T* probs, T* scores, const T* logits, std::size_t num_experts) {
  const double lse = softmax_row(kernels, probs, logits, num_experts);
  T sum = 0;
  for (std::size_t e = 0; e < num_experts; ++e) sum += scores[e] = sigmoid(logits[e]);
  sum = std::max(sum, kMinDenominator<T>);
  for (std::size_t e = 0; e < num_experts; ++e) probs[e] = scores[e] / sum;
  return lse;
}

/// The K experts of largest scores + bias, descending, ties to the lower index. The sum is taken in double: in float a
/// bias would round small differences between scores away.
template <class T>
void top_k_row(std::int32_t* topk_idx, std::size_t top_k, const T* scores, const T* bias, std::size_t num_experts) {
  const auto key = [&](std::int32_t e) { return static_cast<double>(scores[e]) + static_cast<double>(bias[e]); };
  std::size_t count = 0;
  double smallest = 0;
  for (std::int32_t e = 0; e < static_cast<std::int32_t>(num_experts); ++e) {
    const double mine = key(e);
    if (count == top_k && !(mine > smallest)) continue;
    std::size_t at = count < top_k ? count++ : top_k - 1;
    for (; at > 0 && mine > key(topk_idx[at - 1]); --at) topk_idx[at] = topk_idx[at - 1];
    topk_idx[at] = e;
    smallest = key(topk_idx[count - 1]);
  }
}

template <class T>
void gate_weights_row(T* weights, const std::int32_t* topk_idx, std::size_t top_k, const T* scores, const T* logits,
                      GateOrder order, T scale) {
  if (order == GateOrder::kTopkSoftmax) {
    T largest = logits[topk_idx[0]];
    for (std::size_t k = 1; k < top_k; ++k) largest = std::max(largest, logits[topk_idx[k]]);
    T sum = 0;
    for (std::size_t k = 0; k < top_k; ++k) sum += weights[k] = std::exp(logits[topk_idx[k]] - largest);
    for (std::size_t k = 0; k < top_k; ++k) weights[k] /= sum;
    return;
  }
  T sum = 0;
  for (std::size_t k = 0; k < top_k; ++k) sum += weights[k] = scores[topk_idx[k]];
  if (order == GateOrder::kSoftmaxTopk) return;
  sum = std::max(sum, kMinDenominator<T>);
  for (std::size_t k = 0; k < top_k; ++k) weights[k] = scale * (weights[k] / sum);
}

template <class T>
T sum_of(const T* values, std::size_t count) {
  T sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += values[i];
  return sum;
}

template <class T>
T sum_of_chosen(const T* values, const std::int32_t* topk_idx, std::size_t top_k) {
  T sum = 0;
  for (std::size_t k = 0; k < top_k; ++k) sum += values[topk_idx[k]];
  return sum;
}

/// d_logits (holding d probs) becomes the gradient through probs = score / sum(score).
template <class T>
void probs_backward_row(T* d_logits, const T* probs, const T* sigmoids, std::size_t num_experts) {
  T mean = 0;
  const bool clamped = sigmoids && sum_of(sigmoids, num_experts) < kMinDenominator<T>;
  if (!clamped) {
    for (std::size_t e = 0; e < num_experts; ++e) mean += d_logits[e] * probs[e];
  }
  for (std::size_t e = 0; e < num_experts; ++e) d_logits[e] = probs[e] * (d_logits[e] - mean);
  if (sigmoids) {
    for (std::size_t e = 0; e < num_experts; ++e) d_logits[e] *= T(1) - sigmoids[e];
  }
}

/// Adds the gradient through the gate weights. It is written with weights and differences only, never with a quotient
/// by a sum of scores, so that scores near 0 cannot overflow it.
template <class T>
void gate_weights_backward_add_row(T* d_logits, const T* d_weights, const T* weights, const std::int32_t* topk_idx,
                                   std::size_t top_k, const T* probs, const T* sigmoids, std::size_t num_experts,
                                   GateOrder order, T scale) {
  T mean = 0;  // sum_l d_weights[l] * weights[l] / scale: 0 where the denominator is a constant
  const T* scores = sigmoids ? sigmoids : probs;
  const bool constant_denominator =
      order == GateOrder::kSoftmaxTopk ||
      (order != GateOrder::kTopkSoftmax && sum_of_chosen(scores, topk_idx, top_k) < kMinDenominator<T>);
  if (!constant_denominator) {
    for (std::size_t k = 0; k < top_k; ++k) mean += d_weights[k] * weights[k];
    mean /= scale;
  }
  T total = 0;
  for (std::size_t k = 0; k < top_k; ++k) {
    T through = weights[k] * (d_weights[k] - mean);
    if (sigmoids) through *= T(1) - sigmoids[topk_idx[k]];
    total += through;
    d_logits[topk_idx[k]] += through;
  }
  const bool through_full_softmax = order == GateOrder::kSoftmaxTopk || order == GateOrder::kSoftmaxTopkRenorm;
  if (!through_full_softmax) return;
  for (std::size_t e = 0; e < num_experts; ++e) d_logits[e] -= probs[e] * total;
}

template <class T>
void z_loss_backward_add_row(T* d_logits, const T* logits, double lse, double z_slope, std::size_t num_experts) {
  const auto slope = static_cast<T>(z_slope * lse);
  const auto offset = static_cast<T>(lse);
  for (std::size_t e = 0; e < num_experts; ++e) d_logits[e] += slope * std::exp(logits[e] - offset);
}

}  // namespace

template <class T>
void router_logits_forward(Exec& exec, View<T, 2> logits_TE, In<T, 2> x_TD, In<T, 2> weight_ED, In<T, 1> bias_E,
                           View<const std::int32_t, 1> token_N) {
  const std::size_t num_tokens = x_TD.shape(0), num_experts = logits_TE.shape(1);
  const PrecisionScope precision(exec, Precision::kFloat32);  // rounded logits would change the choice of experts
  linear_forward(exec, logits_TE, x_TD, weight_ED, bias_E);
  if (token_N.size() < num_tokens) fill_invalid_rows(logits_TE, num_tokens, token_N, T(0));

  const T* logits = logits_TE.data();
  T sum = 0;  // x - x is 0 for finite x and NaN else
  for (std::size_t i = 0; i < num_tokens * num_experts; ++i) sum += logits[i] - logits[i];
  if (sum == 0) return;
  for (std::size_t i = 0; i < num_tokens * num_experts; ++i) {
    if (!std::isfinite(logits[i])) {
      throw Error(ErrorCode::kNonFinite, concat("moe_layer.forward: router logit of token ", i / num_experts,
                                                ", expert ", i % num_experts, " is ", logits[i]));
    }
  }
}

template <class T>
void router_logits_backward(Exec& exec, View<T, 2> d_x_ND, View<T, 2> d_weight_ED, View<T, 1> d_bias_E,
                            In<T, 2> d_logits_NE, In<T, 2> x_ND, In<T, 2> weight_ED) {
  const PrecisionScope precision(exec, Precision::kFloat32);
  linear_backward<T>(exec, d_x_ND, d_weight_ED, d_bias_E, d_logits_NE, x_ND, weight_ED);
}

template <class T>
void gate_forward(Exec& exec, MoECache<T>& cache, In<T, 1> expert_bias_E, const MoEConfig& config) {
  const std::size_t num_experts = config.num_experts, top_k = config.top_k, num_tokens = cache.num_tokens;
  const GateOrder order = config.resolved_gate_order();
  const auto scale = static_cast<T>(config.routed_scale);
  const Kernels<T>& kernels = exec.kernels<T>();
  exec.parallel_for(cache.num_valid, kTokenChunk, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t n = begin; n < end; ++n) {
      const std::int32_t t = cache.token_N.data()[n];
      const T* logits = cache.router_logits_TE.row(t);
      T* probs = cache.router_probs_TE.row(t);
      T* scores = probs;
      if (order == GateOrder::kSigmoidTopkRenorm) {
        scores = cache.scores_TE.row(t);
        cache.lse_T.data()[t] = sigmoid_row(kernels, probs, scores, logits, num_experts);
      } else {
        cache.lse_T.data()[t] = softmax_row(kernels, probs, logits, num_experts);
      }
      std::int32_t* topk_idx = cache.topk_idx_TK.row(t);
      top_k_row(topk_idx, top_k, scores, expert_bias_E.data(), num_experts);
      gate_weights_row(cache.gate_weights_TK.row(t), topk_idx, top_k, scores, logits, order, scale);
    }
  });
  if (cache.num_valid == num_tokens) return;
  const View<const std::int32_t, 1> token_N(cache.token_N.data(), {cache.num_valid});
  fill_invalid_rows(cache.router_probs_TE, num_tokens, token_N, T(0));
  if (cache.scores_TE) fill_invalid_rows(cache.scores_TE, num_tokens, token_N, T(0));
  fill_invalid_rows(cache.topk_idx_TK, num_tokens, token_N, std::int32_t{-1});
  fill_invalid_rows(cache.gate_weights_TK, num_tokens, token_N, T(0));
}

template <class T>
void gate_backward(Exec& exec, View<T, 2> d_logits_NE, In<T, 2> d_gate_weights_TK, const MoECache<T>& cache,
                   double z_slope, const MoEConfig& config) {
  const std::size_t num_experts = config.num_experts, top_k = config.top_k;
  const GateOrder order = config.resolved_gate_order();
  const auto scale = static_cast<T>(config.routed_scale);
  exec.parallel_for(cache.num_valid, kTokenChunk, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t n = begin; n < end; ++n) {
      const std::int32_t t = cache.token_N.data()[n];
      T* d_logits = d_logits_NE.row(n);
      const T* probs = cache.router_probs_TE.row(t);
      const T* sigmoids = order == GateOrder::kSigmoidTopkRenorm ? cache.scores_TE.row(t) : nullptr;
      probs_backward_row(d_logits, probs, sigmoids, num_experts);
      gate_weights_backward_add_row(d_logits, d_gate_weights_TK.row(t), cache.gate_weights_TK.row(t),
                                    cache.topk_idx_TK.row(t), top_k, probs, sigmoids, num_experts, order, scale);
      if (z_slope != 0) {
        z_loss_backward_add_row(d_logits, cache.router_logits_TE.row(t), cache.lse_T.data()[t], z_slope, num_experts);
      }
    }
  });
}

#define MINIMOE_INSTANTIATE(T)                                                                                       \
  template void router_logits_forward(Exec&, View<T, 2>, In<T, 2>, In<T, 2>, In<T, 1>, View<const std::int32_t, 1>); \
  template void router_logits_backward(Exec&, View<T, 2>, View<T, 2>, View<T, 1>, In<T, 2>, In<T, 2>, In<T, 2>);     \
  template void gate_forward(Exec&, MoECache<T>&, In<T, 1>, const MoEConfig&);                                       \
  template void gate_backward(Exec&, View<T, 2>, In<T, 2>, const MoECache<T>&, double, const MoEConfig&);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
