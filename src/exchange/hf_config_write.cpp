// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/json_writer.hpp"
#include "exchange/hf_config.hpp"

namespace minimoe {
namespace {

/// A value a line, so that people can read it too.
class HfConfigWriter {
 public:
  template <class Value>
  HfConfigWriter& add(const char* key, const Value& value) {
    return raw(key, json_of(value));
  }
  HfConfigWriter& raw(const char* key, const std::string& json) {
    text_ += concat(text_.empty() ? "{\n  " : ",\n  ", json_of(key), ": ", json);
    return *this;
  }
  std::string text() const { return text_ + "\n}\n"; }

 private:
  std::string text_;
};

void add_common(HfConfigWriter& out, const char* class_name, HfType type, const ModelConfig& config) {
  out.raw("architectures", concat("[\"", class_name, "\"]")).add("model_type", hf_type_name(type));
  out.add("vocab_size", config.vocab_size).add("initializer_range", config.init_std);
  out.add("tie_word_embeddings", config.tied_embeddings).add("use_cache", true);
  // 4 reads torch_dtype, 5 dtype.
  out.add("dtype", "float32").add("torch_dtype", "float32");
  for (const char* token : {"bos_token_id", "eos_token_id", "pad_token_id"}) out.raw(token, "null");
}

void add_gpt2(HfConfigWriter& out, const ModelConfig& config) {
  out.add("activation_function", config.gelu == Gelu::kTanh ? "gelu_new" : "gelu");
  // llama.cpp's converter reads n_ctx, which transformers no longer writes.
  out.add("n_positions", config.max_seq_len).add("n_ctx", config.max_seq_len).add("n_embd", config.d_model);
  out.add("n_layer", config.num_layers).add("n_head", config.num_heads).add("n_inner", config.d_ff);
  out.add("layer_norm_epsilon", config.norm_eps);
  out.add("resid_pdrop", 0.0).add("embd_pdrop", 0.0).add("attn_pdrop", 0.0);
  out.add("scale_attn_weights", true).add("scale_attn_by_inverse_layer_idx", false);
  out.add("reorder_and_upcast_attn", false).add("add_cross_attention", false);
}

void add_decoder(HfConfigWriter& out, HfType type, const ModelConfig& config) {
  const bool one_width = type == HfType::kMixtral || type == HfType::kOlmoe;  // that of its experts
  out.add("hidden_size", config.d_model).add("num_hidden_layers", config.num_layers);
  out.add("intermediate_size", one_width ? config.moe.d_expert : config.d_ff).add("hidden_act", "silu");
  out.add("num_attention_heads", config.num_heads).add("num_key_value_heads", config.kv_heads());
  out.add("head_dim", config.head_dim()).add("max_position_embeddings", config.max_seq_len);
  out.add("rms_norm_eps", config.norm_eps).add("attention_dropout", 0.0);
  // 4 reads rope_theta, 5 rope_parameters.
  out.add("rope_theta", config.rope_theta).raw("rope_scaling", "null");
  out.raw("rope_parameters", concat("{\"rope_type\": \"default\", \"rope_theta\": ", json_of(config.rope_theta), '}'));
}

void add_router(HfConfigWriter& out) {
  // Only a training of transformers' own uses it, and only with output_router_logits; its loss is defined otherwise.
  out.add("output_router_logits", false).add("router_aux_loss_coef", 0.001);
}

void add_routed_experts(HfConfigWriter& out, const MoEConfig& moe) {
  out.add("num_experts", moe.num_experts).add("num_experts_per_tok", moe.top_k);
  out.add("norm_topk_prob", moe.resolved_gate_order() != GateOrder::kSoftmaxTopk);
  add_router(out);
}

void add_olmoe(HfConfigWriter& out, const ModelConfig& config) {
  out.add("attention_bias", config.attention_bias).raw("clip_qkv", "null");
  add_routed_experts(out, config.moe);
}

void add_qwen_blocks(HfConfigWriter& out, const ModelConfig& config) {
  std::vector<std::size_t> dense;
  for (std::size_t b = 0; b < config.num_layers; ++b) {
    if (!config.is_moe_layer(b)) dense.push_back(b);
  }
  out.add("use_sliding_window", false).raw("sliding_window", "null");
  out.add("decoder_sparse_step", 1).add("mlp_only_layers", dense);
}

void add_qwen2_moe(HfConfigWriter& out, const ModelConfig& config) {
  const MoEConfig& moe = config.moe;
  out.add("qkv_bias", config.attention_bias).add("max_window_layers", config.num_layers);
  add_qwen_blocks(out, config);
  out.add("moe_intermediate_size", moe.d_expert);
  // Without an MoE block nothing has this width, but it must be one.
  const std::size_t num_shared = std::max<std::size_t>(moe.num_shared_experts, 1);
  out.add("shared_expert_intermediate_size", num_shared * moe.d_expert);
  add_routed_experts(out, moe);
}

void add_qwen3_moe(HfConfigWriter& out, const ModelConfig& config) {
  out.add("attention_bias", config.attention_bias);
  add_qwen_blocks(out, config);
  out.add("num_local_experts", config.moe.num_experts).add("moe_intermediate_size", config.moe.d_expert);
  add_routed_experts(out, config.moe);
}

void add_ernie4_5_moe(HfConfigWriter& out, const ModelConfig& config) {
  const MoEBlockRule rule = moe_block_rule(config);
  const MoEConfig& moe = config.moe;
  out.add("use_bias", false).add("moe_num_experts", moe.num_experts).add("moe_k", moe.top_k);
  out.add("moe_intermediate_size", moe.d_expert).add("moe_num_shared_experts", moe.num_shared_experts);
  out.add("moe_layer_start_index", rule.start).add("moe_layer_end_index", rule.end);
  out.add("moe_layer_interval", rule.interval).add("moe_norm_min", 1e-12);
  add_router(out);
}

}  // namespace

std::string hf_config_json(HfType type, const ModelConfig& config) {
  HfConfigWriter out;
  switch (type) {
    case HfType::kGpt2:
      add_common(out, "GPT2LMHeadModel", type, config);
      add_gpt2(out, config);
      break;
    case HfType::kLlama:
      add_common(out, "LlamaForCausalLM", type, config);
      add_decoder(out, type, config);
      out.add("attention_bias", config.attention_bias).add("mlp_bias", false).add("pretraining_tp", 1);
      break;
    case HfType::kMixtral:
      add_common(out, "MixtralForCausalLM", type, config);
      add_decoder(out, type, config);
      out.raw("sliding_window", "null").add("num_local_experts", config.moe.num_experts);
      out.add("num_experts_per_tok", config.moe.top_k).add("router_jitter_noise", 0.0);
      add_router(out);
      break;
    case HfType::kQwen3Moe:
      add_common(out, "Qwen3MoeForCausalLM", type, config);
      add_decoder(out, type, config);
      add_qwen3_moe(out, config);
      break;
    case HfType::kErnie45Moe:
      add_common(out, "Ernie4_5_MoeForCausalLM", type, config);
      add_decoder(out, type, config);
      add_ernie4_5_moe(out, config);
      break;
    case HfType::kOlmoe:
      add_common(out, "OlmoeForCausalLM", type, config);
      add_decoder(out, type, config);
      add_olmoe(out, config);
      break;
    case HfType::kQwen2Moe:
      add_common(out, "Qwen2MoeForCausalLM", type, config);
      add_decoder(out, type, config);
      add_qwen2_moe(out, config);
      break;
  }
  return out.text();
}

}  // namespace minimoe
