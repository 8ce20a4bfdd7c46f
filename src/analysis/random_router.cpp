// SPDX-License-Identifier: Apache-2.0
#include "analysis/random_router.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "minimoe/core/random.hpp"
#include "minimoe/ops/linear.hpp"

namespace minimoe {
namespace {

template <class T>
void standardise_column(View<T, 2> logits_TE, std::size_t e) {
  const std::size_t num_tokens = logits_TE.shape(0);
  const auto at = [&](std::size_t t) { return static_cast<double>(logits_TE.row(t)[e]); };
  double sum = 0, squares = 0;
  for (std::size_t t = 0; t < num_tokens; ++t) sum += at(t);
  const double mean = sum / static_cast<double>(num_tokens);
  for (std::size_t t = 0; t < num_tokens; ++t) squares += (at(t) - mean) * (at(t) - mean);
  const double std = std::sqrt(squares / static_cast<double>(num_tokens));
  const double scale = std > 0 ? 1 / std : 0;
  for (std::size_t t = 0; t < num_tokens; ++t) logits_TE.row(t)[e] = static_cast<T>((at(t) - mean) * scale);
}

}  // namespace

template <class T>
std::vector<std::int32_t> random_router_choices(Exec& exec, View<const T, 2> x_TD, std::size_t num_experts,
                                                std::size_t top_k, std::uint64_t seed, const std::string& name) {
  const std::size_t num_tokens = x_TD.shape(0), d_model = x_TD.shape(1);
  std::vector<T> weight(num_experts * d_model), logits(num_tokens * num_experts);
  const RandomStream stream(seed, name);
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = static_cast<T>(stream.normal(i));
  const View<T, 2> logits_TE(logits.data(), {num_tokens, num_experts});
  linear_forward<T>(exec, logits_TE, x_TD, View<const T, 2>(weight.data(), {num_experts, d_model}), {});
  for (std::size_t e = 0; e < num_experts; ++e) standardise_column(logits_TE, e);

  std::vector<std::int32_t> order(num_experts), chosen;
  chosen.reserve(num_tokens * top_k);
  for (std::size_t t = 0; t < num_tokens; ++t) {
    std::iota(order.begin(), order.end(), 0);
    const T* row = logits_TE.row(t);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top_k), order.end(),
                      [row](std::int32_t a, std::int32_t b) { return row[a] > row[b] || (row[a] == row[b] && a < b); });
    chosen.insert(chosen.end(), order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top_k));
  }
  return chosen;
}

template std::vector<std::int32_t> random_router_choices(Exec&, View<const float, 2>, std::size_t, std::size_t,
                                                         std::uint64_t, const std::string&);
template std::vector<std::int32_t> random_router_choices(Exec&, View<const double, 2>, std::size_t, std::size_t,
                                                         std::uint64_t, const std::string&);

}  // namespace minimoe
