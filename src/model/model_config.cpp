// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/model_config.hpp"

#include <algorithm>
#include <cmath>

namespace minimoe {
namespace {

// Start of the projections that write into the residual stream: GPT-2's 1/sqrt(2L).
double residual_init_std(const ModelConfig& config) {
  return config.init_std / std::sqrt(2.0 * static_cast<double>(config.num_layers));
}

std::size_t feed_forward_parameters(FfnKind kind, std::size_t d_model, std::size_t d_ff) {
  return kind == FfnKind::kSwiglu ? 3 * d_model * d_ff : 2 * d_model * d_ff + d_ff + d_model;
}

}  // namespace

bool ModelConfig::is_moe_layer(std::size_t layer) const {
  return std::find(moe_layers.begin(), moe_layers.end(), layer) != moe_layers.end();
}

MoEConfig ModelConfig::moe_config() const {
  MoEConfig config = moe;
  config.d_model = d_model;
  config.ffn = ffn;
  config.gelu = gelu;
  config.init_std = init_std;
  config.init_std_down = residual_init_std(*this);
  return config;
}

FeedForwardConfig ModelConfig::feed_forward_config() const {
  FeedForwardConfig config;
  config.d_model = d_model;
  config.d_ff = d_ff;
  config.kind = ffn;
  config.gelu = gelu;
  config.init_std = init_std;
  config.init_std_down = residual_init_std(*this);
  return config;
}

std::vector<std::string> ModelConfig::problems() const {
  std::vector<std::string> found;
  const auto expect = [&found](bool holds, const auto&... message) {
    if (!holds) found.push_back(concat(message...));
  };
  const auto positive = [&](const char* key, std::size_t value, std::size_t limit) {
    expect(value >= 1 && value <= limit, key, ": ", value, " is not in 1..", limit);
  };
  positive("model.vocab_size", vocab_size, std::size_t{1} << 20);
  positive("model.max_seq_len", max_seq_len, std::size_t{1} << 20);
  positive("model.num_layers", num_layers, 1024);
  positive("model.d_model", d_model, 65536);
  positive("model.d_ff", d_ff, std::size_t{1} << 20);
  if (num_heads < 1 || num_heads > d_model || d_model % num_heads != 0) {
    expect(false, "model.num_heads: ", num_heads, " does not divide d_model = ", d_model);
  } else {
    expect(kv_heads() <= num_heads && num_heads % kv_heads() == 0, "model.num_kv_heads: ", num_kv_heads,
           " does not divide num_heads = ", num_heads);
    expect(position != PositionKind::kRope || head_dim() % 2 == 0, "model.num_heads: head size ", head_dim(),
           " (d_model / num_heads) is odd; rotary positions need an even one");
    expect(head_dim() <= 256, "model.num_heads: head size ", head_dim(), " (d_model / num_heads) is above 256");
  }
  expect(!qk_norm_full_width || qk_norm, "model.qk_norm_full_width: true, needs model.qk_norm = true");
  expect(std::isfinite(rope_theta) && rope_theta > 0, "model.rope_theta: ", rope_theta, " is not a positive number");
  expect(std::isfinite(norm_eps) && norm_eps > 0, "model.norm_eps: ", norm_eps, " is not a positive number");
  expect(std::isfinite(init_std) && init_std >= 0, "model.init_std: ", init_std, " is not a number >= 0");
  for (std::size_t i = 0; i < moe_layers.size(); ++i) {
    expect(moe_layers[i] < num_layers, "model.moe.layers: ", moe_layers[i], " is not a block; there are ", num_layers,
           ", counted from 0");
    expect(i == 0 || moe_layers[i] > moe_layers[i - 1], "model.moe.layers: ", moe_layers[i],
           " does not rise; list each block once, ascending");
  }
  if (!moe_layers.empty()) {
    for (std::string& problem : moe_config().problems()) found.push_back("model." + std::move(problem));
  }
  return found;
}

ModelConfig gpt2_preset() { return ModelConfig{}; }

ModelConfig llama_preset() {
  ModelConfig config;
  config.norm = NormKind::kRmsNorm;
  config.position = PositionKind::kRope;
  config.ffn = FfnKind::kSwiglu;
  config.attention_bias = false;
  return config;
}

ModelCost model_cost(const ModelConfig& config, std::size_t seq_len) {
  const std::size_t d = config.d_model, v = config.vocab_size;
  const std::size_t qkv_width = (config.num_heads + 2 * config.kv_heads()) * config.head_dim();
  const std::size_t norm = config.norm == NormKind::kLayerNorm ? 2 * d : d;

  ModelCost cost;
  std::size_t products = v * d;  // multiply-adds of one token's forward pass; the head
  std::size_t shared = v * d + norm + (config.tied_embeddings ? 0 : v * d);
  if (config.position == PositionKind::kLearned) shared += config.max_seq_len * d;
  std::size_t experts = 0, active_experts = 0;
  for (std::size_t layer = 0; layer < config.num_layers; ++layer) {
    shared += 2 * norm + qkv_width * d + d * d;
    shared += (config.attention_bias ? qkv_width : 0) + (config.has_output_bias() ? d : 0);
    if (config.qk_norm) shared += config.q_norm_width() + config.k_norm_width();
    products += qkv_width * d + d * d;
    // Causal scores and values: a query sees (S + 1) / 2 keys in the mean; q.k and p.v.
    products += (seq_len + 1) * d;
    const std::size_t matrices = config.ffn == FfnKind::kSwiglu ? 3 : 2;
    if (config.is_moe_layer(layer)) {
      const MoEConfig& moe = config.moe;
      const std::size_t expert = feed_forward_parameters(config.ffn, d, moe.d_expert);
      experts += moe.num_experts * expert;
      active_experts += moe.top_k * expert;
      shared += moe.num_experts * d + (moe.router_bias ? moe.num_experts : 0);
      products += moe.num_experts * d + matrices * moe.top_k * d * moe.d_expert;
      if (moe.num_shared_experts > 0) {
        const std::size_t width = moe.num_shared_experts * moe.d_expert;
        shared += feed_forward_parameters(config.ffn, d, width);
        products += matrices * d * width;
        if (moe.shared_expert_gate) {
          shared += d;
          products += d;
        }
      }
    } else {
      shared += feed_forward_parameters(config.ffn, d, config.d_ff);
      products += matrices * d * config.d_ff;
    }
  }
  cost.total_parameters = shared + experts;
  cost.active_parameters = shared + active_experts;
  cost.train_flops_per_token = 6.0 * static_cast<double>(products);
  return cost;
}

}  // namespace minimoe
