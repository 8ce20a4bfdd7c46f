// SPDX-License-Identifier: Apache-2.0
// An MoE layer as plain scalar loops in double, one token at a time, straight from the definitions, sharing no code
// with the library: what the tests of src/moe compare with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace reference {

enum class Gate { kSoftmaxTopkRenorm, kSoftmaxTopk, kTopkSoftmax, kSigmoidTopkRenorm };

/// One feed-forward network: GELU when w_gate is empty, else SwiGLU. w_gate, w_up [F, D], w_down [D, F].
struct Network {
  std::vector<double> w_gate, w_up, b_up, w_down, b_down;
  bool exact_gelu = false;

  std::vector<double> operator()(const std::vector<double>& x) const {
    const std::size_t D = x.size(), F = w_up.size() / D;
    std::vector<double> y(b_down.empty() ? std::vector<double>(D, 0.0) : b_down);
    for (std::size_t f = 0; f < F; ++f) {
      double up = b_up.empty() ? 0 : b_up[f], gate = 0;
      for (std::size_t d = 0; d < D; ++d) {
        up += w_up[f * D + d] * x[d];
        if (!w_gate.empty()) gate += w_gate[f * D + d] * x[d];
      }
      const double hidden = w_gate.empty() ? gelu(up) : gate / (1 + std::exp(-gate)) * up;
      for (std::size_t d = 0; d < D; ++d) y[d] += w_down[d * F + f] * hidden;
    }
    return y;
  }

 private:
  double gelu(double x) const {
    if (exact_gelu) return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
  }
};

struct MoE {
  std::size_t D = 0, E = 0, K = 0;
  Gate gate = Gate::kSoftmaxTopkRenorm;
  double routed_scale = 1;
  double capacity_factor = 0;
  bool drop_by_probability = false;
  std::size_t aux_seq_len = 0;  ///< > 0: the aux loss is the mean over sequences of this many tokens
  std::vector<double> w_router, b_router, expert_bias;
  std::vector<Network> experts;
  std::vector<Network> shared;        ///< none or one
  std::vector<double> w_shared_gate;  ///< empty: none
};

struct MoEResult {
  std::vector<double> y, logits, probs, gate_weights;  ///< [T, D], [T, E], [T, E], [T, K]
  std::vector<int> topk_idx, kept;                     ///< [T, K]; -1 and 0 for padding
  std::vector<std::int64_t> load, dropped;
  std::vector<double> prob_sum, gate_weight_sum;
  double aux_loss = 0, z_loss = 0, logit_square_sum = 0;
  std::int64_t num_tokens = 0;
  double choice_margin = std::numeric_limits<double>::infinity();  ///< least gap between the K-th and next biased score
  double drop_margin = std::numeric_limits<double>::infinity();  ///< least gap of gate weights between kept and dropped
};

inline double switch_loss(const MoEResult& r, const MoE& moe, std::size_t first, std::size_t last) {
  std::vector<double> f(moe.E, 0.0), P(moe.E, 0.0);
  double tokens = 0;
  for (std::size_t t = first; t < last; ++t) {
    if (r.topk_idx[t * moe.K] < 0) continue;
    ++tokens;
    for (std::size_t k = 0; k < moe.K; ++k) f[r.topk_idx[t * moe.K + k]] += 1;
    for (std::size_t e = 0; e < moe.E; ++e) P[e] += r.probs[t * moe.E + e];
  }
  if (tokens == 0) return -1;
  double sum = 0;
  for (std::size_t e = 0; e < moe.E; ++e) sum += f[e] / (tokens * static_cast<double>(moe.K)) * (P[e] / tokens);
  return static_cast<double>(moe.E) * sum;
}

/// @param x [T, D]. @param valid [T], or empty: all.
inline MoEResult moe_forward(const MoE& moe, const std::vector<double>& x, const std::vector<std::uint8_t>& valid) {
  const std::size_t D = moe.D, E = moe.E, K = moe.K, T = x.size() / D;
  MoEResult r;
  r.y.assign(T * D, 0.0);
  r.logits.assign(T * E, 0.0);
  r.probs.assign(T * E, 0.0);
  r.gate_weights.assign(T * K, 0.0);
  r.topk_idx.assign(T * K, -1);
  r.kept.assign(T * K, 0);
  r.load.assign(E, 0);
  r.dropped.assign(E, 0);
  r.prob_sum.assign(E, 0.0);
  r.gate_weight_sum.assign(E, 0.0);

  for (std::size_t t = 0; t < T; ++t) {
    if (!valid.empty() && !valid[t]) continue;
    ++r.num_tokens;
    double* logits = &r.logits[t * E];
    double exp_sum = 0;
    for (std::size_t e = 0; e < E; ++e) {
      logits[e] = moe.b_router.empty() ? 0 : moe.b_router[e];
      for (std::size_t d = 0; d < D; ++d) logits[e] += x[t * D + d] * moe.w_router[e * D + d];
      exp_sum += std::exp(logits[e]);
      r.logit_square_sum += logits[e] * logits[e];
    }
    r.z_loss += std::log(exp_sum) * std::log(exp_sum);
    std::vector<double> score(E);
    double score_sum = 0;
    for (std::size_t e = 0; e < E; ++e) {
      score[e] = moe.gate == Gate::kSigmoidTopkRenorm ? 1 / (1 + std::exp(-logits[e])) : std::exp(logits[e]) / exp_sum;
      score_sum += score[e];
    }
    for (std::size_t e = 0; e < E; ++e) {
      r.probs[t * E + e] = score[e] / score_sum;
      r.prob_sum[e] += r.probs[t * E + e];
    }
    std::vector<std::size_t> order(E);
    std::iota(order.begin(), order.end(), 0);
    const auto biased = [&](std::size_t e) { return score[e] + (moe.expert_bias.empty() ? 0 : moe.expert_bias[e]); };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return biased(a) > biased(b); });
    if (K < E) r.choice_margin = std::min(r.choice_margin, biased(order[K - 1]) - biased(order[K]));
    double chosen_sum = 0;
    for (std::size_t k = 0; k < K; ++k) {
      chosen_sum += moe.gate == Gate::kTopkSoftmax ? std::exp(logits[order[k]]) : score[order[k]];
    }
    for (std::size_t k = 0; k < K; ++k) {
      const std::size_t e = order[k];
      double weight = score[e];
      if (moe.gate == Gate::kSoftmaxTopkRenorm) weight = score[e] / chosen_sum;
      if (moe.gate == Gate::kTopkSoftmax) weight = std::exp(logits[e]) / chosen_sum;
      if (moe.gate == Gate::kSigmoidTopkRenorm) weight = score[e] / chosen_sum * moe.routed_scale;
      r.topk_idx[t * K + k] = static_cast<int>(e);
      r.kept[t * K + k] = 1;
      r.gate_weights[t * K + k] = weight;
      r.gate_weight_sum[e] += weight;
      ++r.load[e];
    }
  }
  if (r.num_tokens > 0) r.z_loss /= static_cast<double>(r.num_tokens);

  if (moe.capacity_factor > 0) {
    const double tokens = static_cast<double>(r.num_tokens);
    const double capacity = std::min(
        tokens, std::ceil(moe.capacity_factor * tokens * static_cast<double>(K) / static_cast<double>(E) - 1e-9));
    for (std::size_t e = 0; e < E; ++e) {
      std::vector<std::size_t> slots;
      for (std::size_t slot = 0; slot < T * K; ++slot) {
        if (r.topk_idx[slot] == static_cast<int>(e)) slots.push_back(slot);
      }
      if (moe.drop_by_probability) {
        std::stable_sort(slots.begin(), slots.end(),
                         [&](std::size_t a, std::size_t b) { return r.gate_weights[a] > r.gate_weights[b]; });
      }
      const auto C = static_cast<std::size_t>(capacity);
      for (std::size_t i = C; i < slots.size(); ++i) {
        r.kept[slots[i]] = 0;
        ++r.dropped[e];
      }
      if (moe.drop_by_probability && C > 0 && C < slots.size()) {
        r.drop_margin = std::min(r.drop_margin, r.gate_weights[slots[C - 1]] - r.gate_weights[slots[C]]);
      }
    }
  }

  for (std::size_t t = 0; t < T; ++t) {
    if (!valid.empty() && !valid[t]) continue;
    const std::vector<double> token(x.begin() + static_cast<std::ptrdiff_t>(t * D),
                                    x.begin() + static_cast<std::ptrdiff_t>((t + 1) * D));
    for (std::size_t k = 0; k < K; ++k) {
      if (!r.kept[t * K + k]) continue;
      const std::vector<double> out = moe.experts[r.topk_idx[t * K + k]](token);
      for (std::size_t d = 0; d < D; ++d) r.y[t * D + d] += r.gate_weights[t * K + k] * out[d];
    }
    for (const Network& network : moe.shared) {
      const std::vector<double> out = network(token);
      double factor = 1;
      if (!moe.w_shared_gate.empty()) {
        factor = 1 / (1 + std::exp(-std::inner_product(token.begin(), token.end(), moe.w_shared_gate.begin(), 0.0)));
      }
      for (std::size_t d = 0; d < D; ++d) r.y[t * D + d] += factor * out[d];
    }
  }

  if (moe.aux_seq_len == 0) {
    r.aux_loss = r.num_tokens > 0 ? switch_loss(r, moe, 0, T) : 0;
  } else {
    double sum = 0, sequences = 0;
    for (std::size_t first = 0; first < T; first += moe.aux_seq_len) {
      const double loss = switch_loss(r, moe, first, first + moe.aux_seq_len);
      if (loss < 0) continue;  // no valid token
      sum += loss;
      ++sequences;
    }
    r.aux_loss = sequences > 0 ? sum / sequences : 0;
  }
  return r;
}

}  // namespace reference
