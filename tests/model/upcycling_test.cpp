// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/upcycling.hpp"

#include <cmath>

#include "support/catch.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

ModelConfig dense_toy(const ModelConfig& preset) {
  ModelConfig config = toy_model(preset);
  config.moe_layers = {};
  return config;
}

/// Start values, and biases as a trained model has them.
template <class T>
void start(MiniGPT<T>& model) {
  model.initialize(5);
  for (const ParameterRef<T>& p : model.parameters()) {
    const RandomStream stream(6, p.name);
    if (p.init_std > 0) continue;
    for (std::size_t i = 0; i < p.size(); ++i) p.value[i] += static_cast<T>(0.3 * stream.normal(i));
  }
}

struct Outcome {
  std::vector<double> logits;
  std::vector<RoutingStats> routing;
};

template <class T>
Outcome outcome_of(const MiniGPT<T>& model) {
  Exec exec(threads(1));
  Arena arena;
  ModelCache<T> cache;
  std::vector<std::int32_t> tokens(18);
  for (std::size_t t = 0; t < tokens.size(); ++t) tokens[t] = static_cast<std::int32_t>(t * 7 % 11);
  arena.build([&](Arena& a) { cache.plan(a, model.config(), 3, 6, 1, false); });
  model.forward(exec, {{tokens.data(), {tokens.size()}}, {}, 3, 6}, false, cache);
  return {{cache.logits_TV.data(), cache.logits_TV.data() + cache.logits_TV.size()}, cache.routing};
}

/// Of the tensor's largest entry.
double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::fabs(a[i] - b[i]));
    largest = std::max(largest, std::fabs(b[i]));
  }
  return a.size() == b.size() ? worst / largest : INFINITY;
}

template <class T>
double error_at_step_0(const ModelConfig& preset, const UpcyclingOptions& options) {
  MiniGPT<T> dense(dense_toy(preset));
  start(dense);
  MiniGPT<T> moe(upcycled_config(dense.config(), options));
  upcycle_weights(moe, dense.parameters(), 7);
  const Outcome outcome = outcome_of(moe);
  for (const RoutingStats& stats : outcome.routing) {  // not all to the same experts
    const auto unused = static_cast<std::size_t>(std::count(stats.load.begin(), stats.load.end(), 0));
    CHECK((options.top_k == options.num_experts || unused < options.num_experts - options.top_k));
  }
  return relative_error(outcome.logits, outcome_of(dense).logits);
}

std::string refusal(const ModelConfig& dense, const UpcyclingOptions& options) {
  try {
    upcycled_config(dense, options);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("upcycling: the logits at step 0 are the dense model's to rounding, for GELU with biases and SwiGLU",
          "[model]") {
  ModelConfig swiglu = llama_preset();
  swiglu.qk_norm = true;
  swiglu.tied_embeddings = true;
  ModelConfig wide = swiglu;
  wide.qk_norm_full_width = wide.attention_bias = true;
  wide.attention_output_bias = false;
  for (const ModelConfig& preset : {gpt2_preset(), swiglu, wide}) {
    for (const GateOrder order :
         {GateOrder::kSoftmaxTopkRenorm, GateOrder::kTopkSoftmax, GateOrder::kSigmoidTopkRenorm}) {
      for (const std::size_t top_k : {2, 3, 8}) {
        UpcyclingOptions options;
        options.top_k = top_k;
        options.gate_order = order;
        options.router_init_std = 0.7;  // far from even weights
        if (top_k == 3) options.layers = {1};
        CHECK(error_at_step_0<double>(preset, options) < 1e-14);
        CHECK(error_at_step_0<float>(preset, options) < 2e-6);
      }
    }
  }
}

TEST_CASE("upcycling: experts are copies as wide as d_ff, the router is drawn by the seed, the default is every block",
          "[model]") {
  MiniGPT<float> dense(dense_toy(gpt2_preset()));
  start(dense);
  UpcyclingOptions options;
  const ModelConfig config = upcycled_config(dense.config(), options);
  CHECK(config.moe_layers == std::vector<std::size_t>{0, 1});
  CHECK(config.moe.d_expert == 12);
  MiniGPT<float> one(config), same(config), other(config);
  upcycle_weights(one, dense.parameters(), 7);
  upcycle_weights(same, dense.parameters(), 7);
  upcycle_weights(other, dense.parameters(), 8);
  CHECK(all_values(one) == all_values(same));
  const std::string router = "blocks.0.moe.router.weight";
  const ParameterRef<float> drawn = find_parameter(one, router), again = find_parameter(other, router);
  CHECK_FALSE(std::equal(drawn.value, drawn.value + drawn.size(), again.value));
  double squares = 0;
  for (std::size_t i = 0; i < drawn.size(); ++i) squares += drawn.value[i] * drawn.value[i];
  CHECK(std::sqrt(squares / static_cast<double>(drawn.size())) == Approx(0.02).epsilon(0.3));
  const ParameterRef<float> bias = find_parameter(one, "blocks.1.moe.experts.b_up_proj");
  const ParameterRef<float> source = find_parameter(dense, "blocks.1.ffn.b_up_proj");
  for (std::size_t e = 0; e < 8; ++e) CHECK(std::equal(source.value, source.value + 12, bias.value + e * 12));
}

TEST_CASE("upcycling: training goes on, the loss falls and the experts diverge", "[model]") {
  MiniGPT<float> dense(dense_toy(llama_preset()));
  dense.initialize(5);
  Exec exec(threads(1));
  const ToyBatches batches(11);
  TrainConfig train = toy_training();
  train.steps = 30;
  double dense_loss = 0;
  {
    Trainer<float> trainer(dense, train, batches, exec);
    while (trainer.step() < train.steps) trainer.train_step();
    dense_loss = trainer.evaluate(batches, 4).loss;
  }
  UpcyclingOptions options;
  options.num_experts = 4;
  MiniGPT<float> moe(upcycled_config(dense.config(), options));
  upcycle_weights(moe, dense.parameters(), 7);
  Trainer<float> trainer(moe, train, batches, exec);
  CHECK(trainer.evaluate(batches, 4).loss == Approx(dense_loss).epsilon(1e-6));
  while (trainer.step() < train.steps) trainer.train_step();
  const double loss = trainer.evaluate(batches, 4).loss;
  INFO("dense " << dense_loss << ", upcycled and trained " << loss);
  CHECK(loss < 0.9 * dense_loss);
  for (const std::string block : {"blocks.0.moe.experts.", "blocks.1.moe.experts."}) {
    const ParameterRef<float> w = find_parameter(moe, block + "w_up_proj");
    const std::size_t size = w.size() / 4;
    for (std::size_t e = 1; e < 4; ++e) {
      double difference = 0, norm = 0;
      for (std::size_t i = 0; i < size; ++i) {
        difference += std::pow(w.value[i] - w.value[e * size + i], 2);
        norm += std::pow(w.value[i], 2);
      }
      CHECK(std::sqrt(difference / norm) > 1e-3);
    }
  }
}

TEST_CASE("upcycling: what would change the model, or is no upcycling, is refused in one message", "[model]") {
  const ModelConfig dense = dense_toy(gpt2_preset());
  CHECK_THAT(refusal(toy_model(), {}), ContainsSubstring("has MoE layers already, the first in block 1"));
  UpcyclingOptions options;
  options.num_experts = 1;
  CHECK_THAT(refusal(dense, options), ContainsSubstring("num_experts: 1, expected 2 or more"));
  options.num_experts = 4;
  options.top_k = 5;
  CHECK_THAT(refusal(dense, options), ContainsSubstring("top_k: 5, expected 2..4 (num_experts)"));
  options.top_k = 1;
  options.gate_order = GateOrder::kSoftmaxTopk;
  options.router_init_std = 0;
  options.layers = {1, 0, 2};
  const std::string all = refusal(dense, options);
  CHECK_THAT(all, ContainsSubstring("top_k: 1, expected 2 or more: the one weight"));
  CHECK_THAT(all, ContainsSubstring("weights sum to less than 1"));
  CHECK_THAT(all, ContainsSubstring("router_init_std: 0, expected"));
  CHECK_THAT(all, ContainsSubstring("layers: 0 does not rise"));
  CHECK_THAT(all, ContainsSubstring("layers: 2 is not a block; there are 2, counted from 0"));
}
