// SPDX-License-Identifier: Apache-2.0
#include "exchange/hf_tensors.hpp"

namespace minimoe {
namespace {

/// Lists the tensors of one type of model.
class HfTensorList {
 public:
  HfTensorList(HfType type, const ModelConfig& config) : type_(type), config_(config) {}

  std::vector<HfTensor> gpt2() {
    const std::size_t d = config_.d_model;
    add("transformer.wte.weight", {config_.vocab_size, d}, "token_embedding.weight");
    add("transformer.wpe.weight", {config_.max_seq_len, d}, "position_embedding.weight");
    for (std::size_t b = 0; b < config_.num_layers; ++b) {
      begin_block("transformer.h.", b);
      norm("ln_1", "norm1");
      transposed("attn.c_attn.weight", d, 3 * d, "attn.qkv.weight");
      block("attn.c_attn.bias", {3 * d}, "attn.qkv.bias");
      transposed("attn.c_proj.weight", d, d, "attn.proj.weight");
      block("attn.c_proj.bias", {d}, "attn.proj.bias");
      norm("ln_2", "norm2");
      transposed("mlp.c_fc.weight", d, config_.d_ff, "ffn.w_up_proj");
      block("mlp.c_fc.bias", {config_.d_ff}, "ffn.b_up_proj");
      transposed("mlp.c_proj.weight", config_.d_ff, d, "ffn.w_down_proj");
      block("mlp.c_proj.bias", {d}, "ffn.b_down_proj");
    }
    add("transformer.ln_f.weight", {d}, "final_norm.weight");
    add("transformer.ln_f.bias", {d}, "final_norm.bias");
    add_head();
    return std::move(tensors_);
  }

  std::vector<HfTensor> decoder() {
    add("model.embed_tokens.weight", {config_.vocab_size, config_.d_model}, "token_embedding.weight");
    for (std::size_t b = 0; b < config_.num_layers; ++b) {
      begin_block("model.layers.", b);
      block("input_layernorm.weight", {config_.d_model}, "norm1.weight");
      attention();
      block("post_attention_layernorm.weight", {config_.d_model}, "norm2.weight");
      if (config_.is_moe_layer(b)) {
        experts();
      } else {
        swiglu("mlp.", "gate_proj", "up_proj", "down_proj", config_.d_ff, "ffn.", 0);
      }
    }
    add("model.norm.weight", {config_.d_model}, "final_norm.weight");
    add_head();
    return std::move(tensors_);
  }

 private:
  void add(std::string name, std::vector<std::size_t> shape, std::string parameter, std::size_t offset = 0) {
    tensors_.push_back({std::move(name), std::move(shape), std::move(parameter), offset});
  }
  void begin_block(const char* prefix, std::size_t b) {
    theirs_ = concat(prefix, b, '.');
    ours_ = concat("blocks.", b, '.');
  }
  void block(const std::string& name, std::vector<std::size_t> shape, const std::string& parameter,
             std::size_t offset = 0) {
    add(theirs_ + name, std::move(shape), ours_ + parameter, offset);
  }
  void transposed(const std::string& name, std::size_t in, std::size_t out, const std::string& parameter) {
    block(name, {in, out}, parameter);
    tensors_.back().transposed = true;
  }
  void norm(const std::string& name, const std::string& parameter) {
    block(name + ".weight", {config_.d_model}, parameter + ".weight");
    block(name + ".bias", {config_.d_model}, parameter + ".bias");
  }
  void add_head() {
    if (!config_.tied_embeddings) add("lm_head.weight", {config_.vocab_size, config_.d_model}, "head.weight");
  }
  void attention() {
    const std::size_t d = config_.d_model, kv = config_.kv_heads() * config_.head_dim();
    const struct {
      const char* name;
      std::size_t begin, rows;
    } parts[] = {{"self_attn.q_proj", 0, d}, {"self_attn.k_proj", d, kv}, {"self_attn.v_proj", d + kv, kv}};
    for (const auto& part : parts) {
      block(concat(part.name, ".weight"), {part.rows, d}, "attn.qkv.weight", part.begin * d);
      if (config_.attention_bias) block(concat(part.name, ".bias"), {part.rows}, "attn.qkv.bias", part.begin);
    }
    block("self_attn.o_proj.weight", {d, d}, "attn.proj.weight");
    if (config_.has_output_bias()) block("self_attn.o_proj.bias", {d}, "attn.proj.bias");
    if (!config_.qk_norm) return;
    block("self_attn.q_norm.weight", {config_.q_norm_width()}, "attn.q_norm.weight");
    block("self_attn.k_norm.weight", {config_.k_norm_width()}, "attn.k_norm.weight");
  }
  void swiglu(const std::string& prefix, const char* gate, const char* up, const char* down, std::size_t width,
              const std::string& ours, std::size_t offset) {
    const std::size_t d = config_.d_model;
    block(concat(prefix, gate, ".weight"), {width, d}, ours + "w_gate_proj", offset);
    block(concat(prefix, up, ".weight"), {width, d}, ours + "w_up_proj", offset);
    block(concat(prefix, down, ".weight"), {d, width}, ours + "w_down_proj", offset);
  }
  void experts() {
    const MoEConfig& moe = config_.moe;
    const bool mixtral = type_ == HfType::kMixtral;
    const std::string prefix = mixtral ? "block_sparse_moe." : "mlp.";
    block(prefix + "gate.weight", {moe.num_experts, config_.d_model}, "moe.router.weight");
    const std::size_t size = moe.d_expert * config_.d_model;
    for (std::size_t e = 0; e < moe.num_experts; ++e) {
      const std::string expert = concat(prefix, "experts.", e, '.');
      if (mixtral) {
        swiglu(expert, "w1", "w3", "w2", moe.d_expert, "moe.experts.", e * size);
      } else {
        swiglu(expert, "gate_proj", "up_proj", "down_proj", moe.d_expert, "moe.experts.", e * size);
      }
    }
    if (type_ == HfType::kQwen2Moe) {
      swiglu("mlp.shared_expert.", "gate_proj", "up_proj", "down_proj", moe.num_shared_experts * moe.d_expert,
             "moe.shared.", 0);
      block("mlp.shared_expert_gate.weight", {1, config_.d_model}, "moe.shared_gate.weight");
    }
    if (type_ != HfType::kErnie45Moe) return;
    block("mlp.moe_statics.e_score_correction_bias", {1, moe.num_experts}, "moe.expert_bias");
    if (moe.num_shared_experts == 0) return;
    swiglu("mlp.shared_experts.", "gate_proj", "up_proj", "down_proj", moe.num_shared_experts * moe.d_expert,
           "moe.shared.", 0);
  }

  HfType type_;
  const ModelConfig& config_;
  std::vector<HfTensor> tensors_;
  std::string theirs_, ours_;
};

}  // namespace

std::size_t HfTensor::size() const {
  std::size_t count = 1;
  for (const std::size_t extent : shape) count *= extent;
  return count;
}

std::size_t num_hf_tensors(HfType type, const ModelConfig& config) {
  ModelConfig one = config;
  one.num_layers = 1;
  one.moe_layers.clear();
  const std::size_t dense = hf_tensors(type, one).size();
  const std::size_t outer = config.tied_embeddings ? 2 : 3;
  // An MoE block has its router and experts, and perhaps a bias, shared experts and their gate, in place of three
  // matrices.
  const bool ernie = type == HfType::kErnie45Moe, qwen2 = type == HfType::kQwen2Moe;
  const bool shared = qwen2 || (ernie && config.moe.num_shared_experts > 0);
  const std::size_t more = (shared ? 3 : 0) + (ernie || qwen2 ? 1 : 0);
  const std::size_t wpe = type == HfType::kGpt2 ? 2 : 0;
  return outer + wpe + config.num_layers * (dense - outer - wpe) +
         config.moe_layers.size() * (1 + 3 * config.moe.num_experts + more - 3);
}

std::vector<HfTensor> hf_tensors(HfType type, const ModelConfig& config) {
  HfTensorList list(type, config);
  return type == HfType::kGpt2 ? list.gpt2() : list.decoder();
}

}  // namespace minimoe
