// SPDX-License-Identifier: Apache-2.0
#include "moe/balance_scope.hpp"

#include <algorithm>
#include <numeric>

#include "minimoe/moe/balance_loss.hpp"

namespace minimoe {
namespace {

/// Calls body(begin, end) for each run of valid tokens n in [begin, end) that share a sequence.
template <class T, class Body>
std::int64_t for_each_sequence(const MoECache<T>& cache, std::size_t seq_len, Body&& body) {
  const std::int32_t* token_N = cache.token_N.data();
  std::int64_t num_sequences = 0;
  for (std::size_t begin = 0, end = 0; begin < cache.num_valid; begin = end, ++num_sequences) {
    const std::size_t sequence = static_cast<std::size_t>(token_N[begin]) / seq_len;
    while (end < cache.num_valid && static_cast<std::size_t>(token_N[end]) / seq_len == sequence) ++end;
    body(begin, end);
  }
  return num_sequences;
}

template <class T>
void count_load(const MoECache<T>& cache, std::size_t begin, std::size_t end) {
  const std::size_t top_k = cache.topk_idx_TK.shape(1);
  std::int64_t* count_E = cache.count_E.data();
  std::fill_n(count_E, cache.count_E.size(), std::int64_t{0});
  for (std::size_t n = begin; n < end; ++n) {
    const std::int32_t* topk_idx = cache.topk_idx_TK.row(cache.token_N(n));
    for (std::size_t k = 0; k < top_k; ++k) ++count_E[topk_idx[k]];
  }
}

/// Every row of [begin, end) becomes coef * E / num_tokens * load / sum(load).
template <class T>
void fill_slopes(View<T, 2> d_probs_NE, std::size_t begin, std::size_t end, const std::int64_t* load_E, double coef,
                 double num_tokens) {
  const std::size_t num_experts = d_probs_NE.shape(1);
  const auto total = static_cast<double>(std::accumulate(load_E, load_E + num_experts, std::int64_t{0}));
  const double scale = coef * static_cast<double>(num_experts) / (num_tokens * total);
  T* first = d_probs_NE.row(begin);
  for (std::size_t e = 0; e < num_experts; ++e) first[e] = static_cast<T>(scale * static_cast<double>(load_E[e]));
  for (std::size_t n = begin + 1; n < end; ++n) std::copy_n(first, num_experts, d_probs_NE.row(n));
}

}  // namespace

template <class T>
double aux_loss_forward(const MoECache<T>& cache, const RoutingStats& stats, const MoEConfig& config,
                        std::size_t seq_len) {
  if (cache.num_valid == 0) return 0;
  const std::size_t num_experts = config.num_experts;
  if (config.aux_loss_scope != AuxLossScope::kSequence) {
    return switch_aux_loss({stats.prob_sum.data(), {num_experts}}, {stats.load.data(), {num_experts}}, stats.num_tokens,
                           config.top_k);
  }
  double sum = 0;
  double* prob_sum_E = cache.value_E.data();
  const std::int64_t num_sequences = for_each_sequence(cache, seq_len, [&](std::size_t begin, std::size_t end) {
    count_load(cache, begin, end);
    std::fill_n(prob_sum_E, num_experts, 0.0);
    for (std::size_t n = begin; n < end; ++n) {
      const T* probs = cache.router_probs_TE.row(cache.token_N(n));
      for (std::size_t e = 0; e < num_experts; ++e) prob_sum_E[e] += static_cast<double>(probs[e]);
    }
    sum += switch_aux_loss(cache.value_E, cache.count_E, static_cast<std::int64_t>(end - begin), config.top_k);
  });
  return sum / static_cast<double>(num_sequences);
}

template <class T>
void aux_loss_backward(View<T, 2> d_probs_NE, const MoECache<T>& cache, const MoEConfig& config, std::size_t seq_len,
                       const BalanceGradient& balance) {
  const std::size_t num_valid = cache.num_valid;
  if (num_valid == 0) return;
  if (balance.aux_coef == 0) {
    std::fill_n(d_probs_NE.data(), num_valid * config.num_experts, T(0));
    return;
  }
  if (config.aux_loss_scope == AuxLossScope::kSequence) {
    const std::int64_t here = for_each_sequence(cache, seq_len, [](std::size_t, std::size_t) {});
    const auto num_sequences = static_cast<double>(balance.num_sequences > 0 ? balance.num_sequences : here);
    for_each_sequence(cache, seq_len, [&](std::size_t begin, std::size_t end) {
      count_load(cache, begin, end);
      fill_slopes(d_probs_NE, begin, end, cache.count_E.data(), balance.aux_coef / num_sequences,
                  static_cast<double>(end - begin));
    });
    return;
  }
  const std::int64_t* load_E = cache.count_E.data();
  if (config.aux_loss_scope == AuxLossScope::kGlobalBatch && balance.global_load) {
    load_E = balance.global_load.data();
  } else {
    count_load(cache, 0, num_valid);
  }
  fill_slopes(d_probs_NE, 0, num_valid, load_E, balance.aux_coef,
              static_cast<double>(balance.num_tokens > 0 ? balance.num_tokens : cache.num_valid));
}

template double aux_loss_forward(const MoECache<float>&, const RoutingStats&, const MoEConfig&, std::size_t);
template double aux_loss_forward(const MoECache<double>&, const RoutingStats&, const MoEConfig&, std::size_t);
template void aux_loss_backward(View<float, 2>, const MoECache<float>&, const MoEConfig&, std::size_t,
                                const BalanceGradient&);
template void aux_loss_backward(View<double, 2>, const MoECache<double>&, const MoEConfig&, std::size_t,
                                const BalanceGradient&);

}  // namespace minimoe
