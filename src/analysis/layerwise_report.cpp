// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/layerwise_report.hpp"

#include <algorithm>
#include <memory>

#include "analysis/layer_specialisation.hpp"
#include "minimoe/analysis/routing_history.hpp"
#include "minimoe/ops/rope.hpp"

namespace minimoe {
namespace {

/// Every token of the windows, with its class.
RoutingTrace read_windows(const TokenSource& source, const WindowChoice& choice, std::uint64_t num_windows) {
  RoutingTrace trace;
  trace.num_windows = num_windows;
  std::vector<std::int32_t> window(choice.seq_len + 1);
  std::vector<std::uint8_t> classes(source.class_names().empty() ? 0 : window.size());
  for (std::uint64_t w = 0; w < num_windows; ++w) {
    if (choice.split == Split::kTrain) {
      source.train_window(choice.seed, w, window, classes);
    } else {
      source.eval_window(choice.split, w, window, classes);
    }
    trace.tokens.insert(trace.tokens.end(), window.begin(), window.end() - 1);
    if (!classes.empty()) trace.classes.insert(trace.classes.end(), classes.begin(), classes.end() - 1);
    trace.windows.insert(trace.windows.end(), choice.seq_len, static_cast<std::uint32_t>(w));
  }
  return trace;
}

/// One kind of block, whose weights are those of one block of the model after the other.
class ReusedBlock {
 public:
  ReusedBlock(const ModelConfig& config, std::size_t layer, MemoryResource* resource)
      : block_(config, layer, resource) {}

  void load(const WeightReader& weights, std::size_t layer) {
    ParameterList<float> list;
    block_.collect_parameters(concat("blocks.", layer), list);
    weights.parameters(list);
  }
  const Block<float>& block() const { return block_; }
  /// Lowest and highest selection bias.
  std::pair<double, double> bias_range() {
    const View<float, 1> bias = block_.moe()->expert_bias();
    const auto [low, high] = std::minmax_element(bias.data(), bias.data() + bias.size());
    return {*low, *high};
  }

 private:
  Block<float> block_;
};

class LayerwiseForward {
 public:
  LayerwiseForward(Exec& exec, const ModelConfig& config, const WeightReader& weights, const TokenSource& source,
                   const WindowChoice& choice, MemoryResource* resource)
      : exec_(exec), config_(config), weights_(weights), choice_(choice), resource_(resource), arena_(resource) {
    check_analysable(config, source, choice);
    if (config.position != PositionKind::kRope) {
      throw Error(ErrorCode::kUnsupported, "layerwise_report: the model has learned positions, expected rotary ones");
    }
    std::uint64_t num_windows = choice.max_windows;
    if (choice.split != Split::kTrain) {
      const std::uint64_t there = require_eval_windows(source, choice.split, choice.seq_len);
      num_windows = num_windows == 0 ? there : std::min(there, num_windows);
    }
    choice_.batch_size = static_cast<std::size_t>(std::min<std::uint64_t>(choice.batch_size, num_windows));
    trace_ = read_windows(source, choice_, num_windows);
    plan();
    embed();
  }

  const RoutingTrace& trace() const { return trace_; }

  /// Takes the residual stream through block `layer`. routed(first token, block's cache, stats) after each batch of an
  /// MoE block.
  template <class Routed>
  void run_block(std::size_t layer, const CancelFlag* cancel, Routed&& routed) {
    throw_if_cancelled(cancel, "routing a split");
    const bool is_moe = config_.is_moe_layer(layer);
    std::unique_ptr<ReusedBlock>& block = is_moe ? moe_ : dense_;
    if (!block) block = std::make_unique<ReusedBlock>(config_, layer, resource_);
    block->load(weights_, layer);
    BlockCache<float>& cache = is_moe ? moe_cache_ : dense_cache_;
    for (std::size_t first = 0; first < num_tokens(); first += batch_tokens()) {
      throw_if_cancelled(cancel, "routing a split");
      const std::size_t count = std::min(batch_tokens(), num_tokens() - first);
      const View<float, 2> x(x_TD_.data() + first * config_.d_model, {count, config_.d_model});
      const RoutingContext context{{}, choice_.seq_len, choice_.split == Split::kTrain, false};
      RoutingStats stats;
      block->block().forward(exec_, x, context, {rope_cos_, rope_sin_}, cache, scratch_, &stats);
      std::copy_n(cache.out_TD.data(), x.size(), x.data());
      if (is_moe) routed(first, cache, stats);
    }
  }
  std::pair<double, double> bias_range() const { return moe_->bias_range(); }

 private:
  std::size_t num_tokens() const { return trace_.tokens.size(); }
  std::size_t batch_tokens() const { return choice_.batch_size * choice_.seq_len; }

  void plan() {
    // A block of each kind that there is.
    std::size_t dense_layer = 0;
    while (dense_layer < config_.num_layers && config_.is_moe_layer(dense_layer)) ++dense_layer;
    arena_.build([&](Arena& arena) {
      x_TD_ = arena.take<float, 2>({num_tokens(), config_.d_model});
      rope_cos_ = arena.take<float, 2>({choice_.seq_len, config_.head_dim() / 2});
      rope_sin_ = arena.take<float, 2>({choice_.seq_len, config_.head_dim() / 2});
      moe_cache_.plan(arena, config_, config_.moe_layers.front(), batch_tokens());
      if (dense_layer < config_.num_layers) dense_cache_.plan(arena, config_, dense_layer, batch_tokens());
      scratch_.plan(arena, config_, choice_.batch_size, choice_.seq_len, exec_.num_threads(), false);
    });
  }

  void embed() {
    rope_tables<float>(rope_cos_, rope_sin_, config_.rope_theta);
    for (std::size_t t = 0; t < num_tokens(); ++t) {
      const std::int32_t token = trace_.tokens[t];
      require(token >= 0 && static_cast<std::size_t>(token) < config_.vocab_size, "layerwise_report: token is ", token,
              ", expected 0 to ", config_.vocab_size - 1);
      weights_.embedding(token, x_TD_.row(t));
    }
  }

  Exec& exec_;
  const ModelConfig& config_;
  const WeightReader& weights_;
  WindowChoice choice_;
  MemoryResource* resource_;
  RoutingTrace trace_;
  Arena arena_;
  View<float, 2> x_TD_, rope_cos_, rope_sin_;
  BlockCache<float> moe_cache_, dense_cache_;
  BlockScratch<float> scratch_;
  std::unique_ptr<ReusedBlock> moe_, dense_;
};

// The balance loss over all tokens: E * sum(f * P).
double balance_loss(const RoutingStats& stats, std::size_t top_k) {
  const double tokens = static_cast<double>(stats.num_tokens);
  double sum = 0;
  for (std::size_t e = 0; e < stats.load.size(); ++e) {
    sum += static_cast<double>(stats.load[e]) / (tokens * static_cast<double>(top_k)) * (stats.prob_sum[e] / tokens);
  }
  return static_cast<double>(stats.load.size()) * sum;
}

}  // namespace

LayerwiseReport layerwise_report(Exec& exec, const ModelConfig& model, const WeightReader& weights,
                                 const TokenSource& source, const WindowChoice& choice,
                                 const SpecialisationOptions& options, const CancelFlag* cancel,
                                 MemoryResource* resource) {
  LayerwiseForward forward(exec, model, weights, source, choice, resource);
  const std::size_t num_tokens = forward.trace().tokens.size(), d_model = model.d_model, top_k = model.moe.top_k;
  SpecialisationBuilder builder(source, choice, options, forward.trace());
  // A frozen model has no time: all batches are one step, whatever their order.
  std::vector<RoutingStats> sums;
  std::vector<std::pair<double, double>> bias_ranges;
  std::vector<std::int32_t> experts(num_tokens * top_k);
  std::vector<float> inputs(num_tokens * d_model);
  for (std::size_t layer = 0; layer < model.num_layers; ++layer) {
    RoutingStats sum;
    forward.run_block(layer, cancel, [&](std::size_t first, const BlockCache<float>& cache, const RoutingStats& stats) {
      const std::size_t count = static_cast<std::size_t>(stats.num_tokens);
      std::copy_n(cache.moe.topk_idx_TK.data(), count * top_k, experts.data() + first * top_k);
      std::copy_n(cache.norm2_TD.data(), count * d_model, inputs.data() + first * d_model);
      if (first == 0) sum.reset(stats.load.size());
      sum.add(stats);
    });
    if (sum.num_tokens == 0) continue;
    sum.aux_loss = balance_loss(sum, top_k);
    sums.push_back(std::move(sum));
    bias_ranges.push_back(forward.bias_range());
    builder.add_layer(exec, layer, model.moe, experts, View<const float, 2>(inputs.data(), {num_tokens, d_model}),
                      cancel);
  }

  RoutingHistory history(bias_ranges.size(), model.moe.num_experts);
  const bool has_bias = std::any_of(bias_ranges.begin(), bias_ranges.end(),
                                    [](const auto& range) { return range.first != 0 || range.second != 0; });
  history.add(1, sums);
  for (std::size_t i = 0; has_bias && i < bias_ranges.size(); ++i) {
    history.set_bias_range(i, bias_ranges[i].first, bias_ranges[i].second);
  }
  HealthOptions health;
  health.window = 1;
  health.warmup = health.settle_steps = 0;
  return {std::move(builder.report()), check_health(history.layers(top_k, model.moe_layers), health)};
}

}  // namespace minimoe
