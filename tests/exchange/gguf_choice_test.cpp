// SPDX-License-Identifier: Apache-2.0
// Which models GGUF holds, and why another is refused.
#include <filesystem>

#include "exchange/gguf_models.hpp"
#include "minimoe/exchange/gguf.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

namespace minimoe {
namespace {

using minimoe_test::TemporaryDirectory;
using test::one_of_each;
using test::small_gguf;
using test::small_moe;

std::string export_refusal(const ModelConfig& config, bool has_expert_bias = false) {
  try {
    return "none: " + gguf_architecture(config, has_expert_bias);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kUnsupported);
    return error.what();
  }
}

}  // namespace

TEST_CASE("gguf: what no architecture holds is refused with the nearest", "[exchange]") {
  const auto refused = [](const std::string& needs, const auto& change, bool bias = false) {
    ModelConfig config = small_moe();
    change(config);
    CHECK_THAT(export_refusal(config, bias), ContainsSubstring(needs));
  };
  CHECK(export_refusal(small_moe()) == "none: llama");
  refused("llama, which needs model.moe.gate_order = softmax_topk_renorm",
          [](ModelConfig& c) { c.moe.gate_order = GateOrder::kSoftmaxTopk; });
  refused("none: llama", [](ModelConfig& c) { c.moe.gate_order = GateOrder::kTopkSoftmax; });
  const auto olmoe = [](ModelConfig& c) {
    c.num_kv_heads = 0;
    c.qk_norm = c.qk_norm_full_width = true;
    c.moe.gate_order = GateOrder::kSoftmaxTopk;
  };
  refused("none: olmoe", olmoe);
  refused("qwen3moe, which needs model.qk_norm_full_width = false", [&](ModelConfig& c) {
    olmoe(c);
    c.moe.gate_order = GateOrder::kSoftmaxTopkRenorm;
  });
  refused("olmoe, which needs model.num_kv_heads = 0", [&](ModelConfig& c) {
    olmoe(c);
    c.num_kv_heads = 1;
  });
  refused("olmoe, which needs model.attention_bias = false", [&](ModelConfig& c) {
    olmoe(c);
    c.attention_bias = true;
  });
  refused("olmoe, which needs model.tied_embeddings = false", [&](ModelConfig& c) {
    olmoe(c);
    c.tied_embeddings = true;
  });
  const auto qwen2 = [](ModelConfig& c) {
    c.attention_bias = true;
    c.attention_output_bias = false;
    c.moe.gate_order = GateOrder::kSoftmaxTopk;
    c.moe.num_shared_experts = 2;
    c.moe.shared_expert_gate = true;
  };
  refused("none: qwen2moe", qwen2);
  refused("qwen2moe, which needs model.moe.gate_order = softmax_topk", [&](ModelConfig& c) {
    qwen2(c);
    c.moe.gate_order = GateOrder::kSoftmaxTopkRenorm;
  });
  refused("qwen2moe, which needs model.attention_bias = true", [&](ModelConfig& c) {
    qwen2(c);
    c.attention_bias = false;
  });
  refused("qwen2moe, which needs model.attention_output_bias = false", [&](ModelConfig& c) {
    qwen2(c);
    c.attention_output_bias = true;
  });
  refused("qwen2moe, which needs model.tied_embeddings = false", [&](ModelConfig& c) {
    qwen2(c);
    c.tied_embeddings = true;
  });
  refused("qwen2moe, which needs an MoE layer in every block (", [&](ModelConfig& c) {
    qwen2(c);
    c.moe_layers = {1};
  });
  refused("qwen2moe, which needs model.moe.shared_expert_gate = true", [&](ModelConfig& c) {
    qwen2(c);
    c.moe.shared_expert_gate = false;
  });
  refused("llama, which needs model.attention_output_bias = true", [](ModelConfig& c) {
    c.attention_bias = true;
    c.attention_output_bias = false;
  });
  refused("qwen3moe, which needs model.moe.gate_order = softmax_topk_renorm", [](ModelConfig& c) {
    c.qk_norm = true;
    c.moe.gate_order = GateOrder::kSoftmaxTopk;
  });
  refused("none: ernie4_5-moe", [](ModelConfig& c) { c.moe_layers = {1}; });
  refused("llama, which needs an MoE layer in every block or in none", [](ModelConfig& c) { c.moe_layers = {0}; });
  refused("ernie4_5-moe, which needs MoE layers from some block to the last one", [](ModelConfig& c) {
    c.moe_layers = {0};
    c.moe.num_shared_experts = 1;
  });
  refused("qwen3moe, which needs an MoE layer in every block (", [](ModelConfig& c) {
    c.qk_norm = true;
    c.moe_layers = {1};
  });
  refused("llama, which needs model.qk_norm = false", [](ModelConfig& c) { c.qk_norm = c.attention_bias = true; });
  refused(
      "none: ernie4_5-moe", [](ModelConfig&) {}, true);
  refused(
      "qwen3moe, which needs every expert_bias = 0", [](ModelConfig& c) { c.qk_norm = true; }, true);
  refused("none: ernie4_5-moe", [](ModelConfig& c) { c.moe.num_shared_experts = 1; });
  refused("model.moe.router_bias = false", [](ModelConfig& c) { c.moe.router_bias = true; });
  refused("model.moe.eval_capacity_factor = 0", [](ModelConfig& c) { c.moe.eval_capacity_factor = 2; });
  refused("model.moe.num_experts <= 512", [](ModelConfig& c) { c.moe.num_experts = 513; });
  refused("model.num_layers <= 512", [](ModelConfig& c) {
    c.moe_layers.clear();
    c.num_layers = 513;
  });
  refused("gpt2, which needs model.gelu = tanh", [](ModelConfig& c) {
    c = small_gguf(gpt2_preset());
    c.gelu = Gelu::kErf;
  });
  refused("llama, which needs model.norm = rms_norm, model.position = rope, model.ffn = swiglu", [](ModelConfig& c) {
    c = small_gguf(gpt2_preset());
    c.moe_layers = {0, 1};
  });
  const TemporaryDirectory directory;
  ModelConfig mixed = small_moe();
  mixed.moe_layers = {0};
  CHECK_THROWS_AS(export_gguf(directory.file("out.gguf"), mixed, MiniGPT<float>(mixed).parameters()), Error);
  CHECK(directory.num_entries() == 0);
}

TEST_CASE("gguf: an expert_bias whose choice llama.cpp would weigh otherwise is refused", "[exchange]") {
  const TemporaryDirectory directory;
  ModelConfig config = one_of_each().back();
  config.moe.num_experts = 4;
  const double bound = 1.0 / 4 - 0x1p-14 / 2;
  const auto said = [&](double spread) -> std::string {
    MiniGPT<double> model(config);
    for (const ParameterRef<double>& p : model.parameters()) {
      if (p.role == Role::kBuffer) p.value[2] = spread;
    }
    try {
      export_gguf(directory.file("out.gguf"), config, model.parameters());
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kUnsupported);
      CHECK_THROWS_AS(check_gguf(config, model.parameters()), Error);
      return error.what();
    }
    CHECK_NOTHROW(check_gguf(config, model.parameters()));
    return "none";
  };
  CHECK(said(bound) == "none");
  CHECK(said(-bound) == "none");
  std::filesystem::remove(directory.file("out.gguf"));
  for (const double spread : {bound + 1e-9, -0.5}) {
    CHECK_THAT(said(spread), ContainsSubstring("blocks.1.moe.expert_bias"));
    CHECK_THAT(said(spread), ContainsSubstring("above 0.249969"));
  }
  CHECK_THAT(said(0.5), ContainsSubstring("spread over 0.5, above"));
  CHECK_THAT(said(0.5), ContainsSubstring("format \"hf\""));
  CHECK(directory.num_entries() == 0);
  config.moe.top_k = 4;  // every expert is chosen: the sum is 1
  CHECK(said(0.5) == "none");
}

TEST_CASE("gguf: a gate of the shared experts that llama.cpp would divide by is refused", "[exchange]") {
  const TemporaryDirectory directory;
  const ModelConfig config = one_of_each()[5];
  MiniGPT<double> model(config);
  for (const ParameterRef<double>& p : model.parameters()) {
    if (p.name == "blocks.0.moe.shared_gate.weight") p.value[3] = 1;
    if (p.name == "blocks.1.moe.shared_gate.weight") p.value[0] = 1e-60;  // 0 in the file
  }
  for (const bool only_check : {false, true}) {
    try {
      if (only_check) check_gguf(config, model.parameters());
      export_gguf(directory.file("out.gguf"), config, model.parameters());
      FAIL("no refusal");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kUnsupported);
      CHECK_THAT(error.what(), ContainsSubstring("GGUF: blocks.1.moe.shared_gate.weight is 0 everywhere"));
    }
  }
  CHECK(directory.num_entries() == 0);
  for (const ParameterRef<double>& p : model.parameters()) {
    if (p.name == "blocks.1.moe.shared_gate.weight") p.value[7] = -1e-30;
  }
  CHECK_NOTHROW(export_gguf(directory.file("out.gguf"), config, model.parameters()));
}

TEST_CASE("gguf: a number that float32 does not have is refused with its key", "[exchange]") {
  const TemporaryDirectory directory;
  const auto said = [&](const auto& change) -> std::string {
    ModelConfig config = small_moe();
    change(config);
    try {
      export_gguf(directory.file("out.gguf"), config, MiniGPT<double>(config).parameters());
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kUnsupported);
      CHECK(directory.num_entries() == 0);
      CHECK_THROWS_AS(check_gguf(config, MiniGPT<double>(config).parameters()), Error);
      return error.what();
    }
    return {};
  };
  CHECK_THAT(said([](ModelConfig& c) { c.norm_eps = 1e-60; }),
             ContainsSubstring("llama.attention.layer_norm_rms_epsilon: 1e-60"));
  CHECK_THAT(said([](ModelConfig& c) { c.rope_theta = 1e60; }), ContainsSubstring("llama.rope.freq_base: 1e+60"));
  CHECK(said([](ModelConfig& c) { c.norm_eps = 1e-40; }).empty());  // a subnormal
}

}  // namespace minimoe
