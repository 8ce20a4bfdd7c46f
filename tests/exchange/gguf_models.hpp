// SPDX-License-Identifier: Apache-2.0
// Small models of each architecture that GGUF has here.
#pragma once

#include <vector>

#include "minimoe/model/minigpt.hpp"

namespace minimoe::test {

/// Small, but of each kind of tensor.
inline ModelConfig small_gguf(ModelConfig config) {
  config.vocab_size = 7;
  config.max_seq_len = 5;
  config.num_layers = 2;
  config.d_model = 8;
  config.num_heads = 2;
  config.d_ff = 6;
  config.moe.num_experts = 3;
  config.moe.d_expert = 4;
  return config;
}

inline ModelConfig small_moe() {
  ModelConfig config = small_gguf(llama_preset());
  config.num_kv_heads = 1;
  config.moe_layers = {0, 1};
  return config;
}

/// A model of each architecture, and a biased `llama`.
inline std::vector<ModelConfig> one_of_each() {
  ModelConfig biased = small_gguf(llama_preset()), qwen = small_moe(), gpt2 = small_gguf(gpt2_preset());
  biased.attention_bias = biased.tied_embeddings = true;
  qwen.qk_norm = true;
  gpt2.num_kv_heads = 1;
  ModelConfig ernie = small_moe();
  ernie.rope_pairing = RopePairing::kInterleaved;
  ernie.moe_layers = {1};
  ernie.moe.num_shared_experts = 2;
  ModelConfig olmoe = small_moe(), qwen2 = small_moe();
  olmoe.qk_norm = olmoe.qk_norm_full_width = true;
  olmoe.num_kv_heads = 0;
  olmoe.moe.gate_order = GateOrder::kSoftmaxTopk;
  qwen2.attention_bias = true;
  qwen2.attention_output_bias = false;
  qwen2.moe.gate_order = GateOrder::kSoftmaxTopk;
  qwen2.moe.num_shared_experts = 2;
  qwen2.moe.shared_expert_gate = true;
  return {gpt2, biased, small_moe(), qwen, olmoe, qwen2, ernie};
}

inline void fill_gguf(MiniGPT<float>& model, bool expert_bias) {
  float next = 0;
  for (const ParameterRef<float>& p : model.parameters()) {
    const bool bias = p.role == Role::kBuffer;
    for (std::size_t i = 0; i < p.size() && (expert_bias || !bias); ++i) {
      p.value[i] = bias ? 0.125F * static_cast<float>(i) : next += 0.25F;  // within the spread that is exported
    }
  }
}

}  // namespace minimoe::test
