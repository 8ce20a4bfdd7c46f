// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/model_config.hpp"

#include "minimoe/model/minigpt.hpp"
#include "support/catch.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;

namespace {

std::size_t registered_weights(const ModelConfig& config) {
  MiniGPT<float> model(config);
  std::size_t count = 0;
  for (const ParameterRef<float>& p : model.parameters()) count += p.role == Role::kWeight ? p.size() : 0;
  return count;
}

bool mentions(const std::vector<std::string>& problems, const std::string& part) {
  for (const std::string& problem : problems) {
    if (problem.find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("model_cost: counts what the registry holds, for every option that owns weights", "[model]") {
  for (const ModelConfig& preset : {gpt2_preset(), llama_preset()}) {
    ModelConfig config = test::toy_model(preset);
    CHECK(model_cost(config, 6).total_parameters == registered_weights(config));
    config.moe_layers = {};
    CHECK(model_cost(config, 6).total_parameters == registered_weights(config));
    config.moe_layers = {0, 1};
    config.moe.router_bias = true;
    config.moe.num_shared_experts = 2;
    CHECK(model_cost(config, 6).total_parameters == registered_weights(config));
    config.qk_norm = config.tied_embeddings = true;
    config.num_heads = 4;
    config.num_kv_heads = 2;
    config.attention_bias = !config.attention_bias;
    CHECK(model_cost(config, 6).total_parameters == registered_weights(config));
    config.qk_norm_full_width = config.moe.shared_expert_gate = true;
    config.attention_output_bias = false;
    for (const bool bias : {false, true}) {
      config.attention_bias = bias;
      CHECK(model_cost(config, 6).total_parameters == registered_weights(config));
    }
  }
}

TEST_CASE("attention: the norms of queries and keys, and the biases, have the shapes of their options", "[model]") {
  ModelConfig config = test::toy_model(llama_preset());
  config.d_model = 24;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.qk_norm = config.attention_bias = true;
  const auto shapes = [&] {
    MiniGPT<float> model(config);
    std::string text;
    for (const ParameterRef<float>& p : model.parameters()) {
      if (p.name.starts_with("blocks.0.attn.") && p.shape.size() == 1)
        text += concat(p.name.substr(14), shape_string(p.shape));
    }
    return text;
  };
  CHECK(shapes() == "qkv.bias[48]q_norm.weight[6]k_norm.weight[6]proj.bias[24]");
  config.qk_norm_full_width = true;
  CHECK(shapes() == "qkv.bias[48]q_norm.weight[24]k_norm.weight[12]proj.bias[24]");
  config.attention_output_bias = false;
  CHECK(shapes() == "qkv.bias[48]q_norm.weight[24]k_norm.weight[12]");
  config.attention_bias = false;
  CHECK(shapes() == "q_norm.weight[24]k_norm.weight[12]");
}

TEST_CASE("test_total_params_grow_as_E", "[model]") {
  ModelConfig config = test::toy_model();
  config.moe.top_k = 1;
  config.moe.num_experts = 1;
  const ModelCost one = model_cost(config, 6);
  // One expert of 8 x 12 with its biases, and one router row.
  const std::size_t expert = 2 * 8 * 12 + 12 + 8, router_row = 8;
  for (const std::size_t num_experts : {2, 3, 8, 64}) {
    config.moe.num_experts = num_experts;
    const ModelCost cost = model_cost(config, 6);
    CHECK(cost.total_parameters == one.total_parameters + (num_experts - 1) * (expert + router_row));
    // What a token uses grows by router rows only.
    CHECK(cost.active_parameters == one.active_parameters + (num_experts - 1) * router_row);
    CHECK(registered_weights(config) == cost.total_parameters);
  }
}

TEST_CASE("model_cost: flops are those of the products, counted by hand", "[model]") {
  ModelConfig config = test::toy_model();
  config.moe_layers = {};
  // A block: qkv 24*8, proj 8*8, scores and values 2 * 3.5 * 8, ffn 2*8*12; the head 11*8. Forward 2, forward and
  // backward 6.
  const double block = 24 * 8 + 8 * 8 + 7 * 8 + 2 * 8 * 12;
  CHECK(model_cost(config, 6).train_flops_per_token == 6 * (2 * block + 11 * 8));
  config.moe_layers = {1};
  const double moe_block = block - 2 * 8 * 12 + 4 * 8 + 2 * (2 * 8 * 12);
  CHECK(model_cost(config, 6).train_flops_per_token == 6 * (block + moe_block + 11 * 8));
  config.moe.num_shared_experts = 1;
  config.moe.shared_expert_gate = true;
  const double gated_block = moe_block + 2 * 8 * 12 + 8;
  CHECK(model_cost(config, 6).train_flops_per_token == 6 * (block + gated_block + 11 * 8));
}

TEST_CASE("model_config: every bad field is named with its value and what is allowed", "[model]") {
  ModelConfig config = test::toy_model();
  CHECK(config.problems().empty());
  config.vocab_size = 0;
  config.num_heads = 3;
  config.norm_eps = 0;
  config.moe_layers = {1, 1, 7};
  config.moe.top_k = 9;
  const std::vector<std::string> problems = config.problems();
  CHECK(mentions(problems, "model.vocab_size: 0 is not in 1.."));
  CHECK(mentions(problems, "model.num_heads: 3 does not divide d_model = 8"));
  CHECK(mentions(problems, "model.norm_eps: 0"));
  CHECK(mentions(problems, "model.moe.layers: 7 is not a block; there are 2"));
  CHECK(mentions(problems, "model.moe.layers: 1 does not rise"));
  CHECK(mentions(problems, "model.moe.top_k: 9"));

  ModelConfig odd = test::toy_model(llama_preset());
  odd.d_model = 6;
  CHECK(mentions(odd.problems(), "head size 3"));
  ModelConfig wide = test::toy_model();
  wide.qk_norm_full_width = true;
  CHECK(wide.problems() == std::vector<std::string>{"model.qk_norm_full_width: true, needs model.qk_norm = true"});
  ModelConfig gate = test::toy_model();
  gate.moe.shared_expert_gate = true;
  CHECK(mentions(gate.problems(), "model.moe.shared_expert_gate: true, needs moe.num_shared_experts"));
  ModelConfig groups = test::toy_model();
  groups.num_kv_heads = 3;
  CHECK(mentions(groups.problems(), "model.num_kv_heads: 3 does not divide num_heads = 2"));
  CHECK_THROWS_WITH(MiniGPT<float>(groups), ContainsSubstring("model.num_kv_heads"));
}
