// SPDX-License-Identifier: Apache-2.0
#include "analysis/straggler.hpp"

#include <algorithm>
#include <chrono>

#include "analysis/routed_batches.hpp"
#include "moe/experts.hpp"

namespace minimoe {
namespace {

constexpr int kRepetitions = 7;  // the least of them is nearest to what the work itself takes

template <class Work>
double least_seconds(const Work& work) {
  double least = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    least = i == 0 ? seconds : std::min(least, seconds);
  }
  return least;
}

template <class T>
FeedForwardCache<T> rows_of(const FeedForwardCache<T>& cache, std::size_t begin, std::size_t end) {
  FeedForwardCache<T> rows;
  if (cache.gate_TF) rows.gate_TF = cache.gate_TF.rows(begin, end);
  rows.up_TF = cache.up_TF.rows(begin, end);
  rows.hidden_TF = cache.hidden_TF.rows(begin, end);
  return rows;
}

/// Computes again what the forward in `cache` computed, expert by expert.
template <class T>
Straggler time_experts(Exec& exec, const MoELayer<T>& layer, const MoECache<T>& cache) {
  const std::size_t num_experts = layer.config().num_experts;
  const ExpertWeights<T> weights = layer.expert_weights();
  const Gelu gelu = layer.config().gelu;
  Straggler straggler;
  double rows_of_all = 0, most_rows = -1, sum = 0;
  for (std::size_t e = 0; e < num_experts; ++e) {
    const auto begin = static_cast<std::size_t>(cache.expert_begin(e));
    const auto end = static_cast<std::size_t>(cache.expert_begin(e + 1));
    std::vector<std::int64_t> alone(num_experts + 1, 0);
    std::fill(alone.begin() + static_cast<std::ptrdiff_t>(e) + 1, alone.end(), static_cast<std::int64_t>(end - begin));
    const FeedForwardCache<T> rows = rows_of(cache.experts_R, begin, end);
    straggler.seconds.push_back(begin == end ? 0 : least_seconds([&] {
      experts_forward<T>(exec, cache.y_RD.rows(begin, end), rows, cache.x_RD.rows(begin, end),
                         View<const std::int64_t, 1>(alone.data(), {num_experts + 1}), weights, gelu);
    }));
    const auto num_rows = static_cast<double>(end - begin);
    rows_of_all += num_rows;
    sum += straggler.seconds.back();
    if (num_rows > most_rows) {
      most_rows = num_rows;
      straggler.expert = e;
    }
  }
  straggler.seconds_together = least_seconds(
      [&] { experts_forward<T>(exec, cache.y_RD, cache.experts_R, cache.x_RD, cache.expert_begin, weights, gelu); });
  straggler.row_share = rows_of_all > 0 ? most_rows / rows_of_all : 0;
  if (sum > 0) {
    straggler.time_share = straggler.seconds[straggler.expert] / sum;
    straggler.slowdown =
        *std::max_element(straggler.seconds.begin(), straggler.seconds.end()) * static_cast<double>(num_experts) / sum;
  }
  return straggler;
}

// Of a forward of its own: the one in the model's cache stays as it is.
template <class T>
double seconds_of_layer(Exec& exec, const MoELayer<T>& layer, In<T, 2> x_TD, std::size_t seq_len,
                        MemoryResource* resource) {
  Arena arena(resource);
  View<T, 2> y_TD;
  MoECache<T> cache;
  arena.build([&](Arena& plan) {
    y_TD = plan.take<T, 2>(x_TD.shape());
    cache.plan(plan, layer.config(), x_TD.shape(0));
  });
  RoutingStats stats;
  RoutingContext context;
  context.seq_len = seq_len;
  context.dropless = true;
  return least_seconds([&] { layer.forward(exec, y_TD, x_TD, context, cache, stats); });
}

}  // namespace

template <class T>
std::vector<Straggler> find_stragglers(Exec& exec, const MiniGPT<T>& model, const TokenSource& source,
                                       const WindowChoice& choice, MemoryResource* resource) {
  WindowChoice first = choice;
  first.max_windows =
      choice.max_windows == 0 ? choice.batch_size : std::min<std::uint64_t>(choice.max_windows, choice.batch_size);
  RoutedBatches<T> batches(exec, model, source, first, resource);
  std::vector<Straggler> stragglers;
  if (!batches.next(nullptr)) return stragglers;
  batches.forward(true);
  for (std::size_t i = 0; i < model.num_moe_layers(); ++i) {
    const std::size_t block = model.config().moe_layers[i];
    const MoELayer<T>& layer = model.moe_layer(i);
    Straggler straggler = time_experts(exec, layer, batches.block(block).moe);
    straggler.block = block;
    const In<T, 2> x_TD = batches.block(block).norm2_TD.rows(0, batches.num_tokens());
    straggler.layer_seconds = seconds_of_layer(exec, layer, x_TD, choice.seq_len, resource);
    straggler.layer_time_share = std::min(1.0, straggler.seconds[straggler.expert] / straggler.layer_seconds);
    stragglers.push_back(std::move(straggler));
  }
  return stragglers;
}

template std::vector<Straggler> find_stragglers(Exec&, const MiniGPT<float>&, const TokenSource&, const WindowChoice&,
                                                MemoryResource*);
template std::vector<Straggler> find_stragglers(Exec&, const MiniGPT<double>&, const TokenSource&, const WindowChoice&,
                                                MemoryResource*);

}  // namespace minimoe
