// SPDX-License-Identifier: Apache-2.0
#include "exchange/gguf_model.hpp"

#include <iterator>

#include "exchange/format_needs.hpp"
#include "minimoe/exchange/gguf.hpp"

namespace minimoe {
namespace {

constexpr std::size_t kMostGgufExperts = 512, kMostGgufLayers = 512;  // llama.cpp's own limits

FormatNeeds gguf_needs(GgufArchitecture architecture, const ModelConfig& config, bool has_expert_bias) {
  FormatNeeds needs;
  const bool gpt2 = architecture == GgufArchitecture::kGpt2, qwen3 = architecture == GgufArchitecture::kQwen3Moe;
  const bool ernie = architecture == GgufArchitecture::kErnie45Moe, olmoe = architecture == GgufArchitecture::kOlmoe;
  const bool qwen2 = architecture == GgufArchitecture::kQwen2Moe;
  const bool any_moe = !config.moe_layers.empty(), all_moe = config.moe_layers.size() == config.num_layers;
  needs.unless(config.num_layers <= kMostGgufLayers, "model.num_layers <= 512");
  if (gpt2) {
    needs.unless(config.norm == NormKind::kLayerNorm, "model.norm = layer_norm");
    needs.unless(config.position == PositionKind::kLearned, "model.position = learned");
    needs.unless(config.ffn == FfnKind::kGelu, "model.ffn = gelu");
    needs.unless(config.gelu == Gelu::kTanh, "model.gelu = tanh");
    needs.unless(config.attention_bias, "model.attention_bias = true");
    needs.unless(config.attention_output_bias, "model.attention_output_bias = true");
    needs.unless(!config.qk_norm, "model.qk_norm = false");
    needs.unless(!any_moe, "model.moe.layers = []", 10);  // the last thing to give up
    return needs;
  }
  needs.unless(config.norm == NormKind::kRmsNorm, "model.norm = rms_norm");
  needs.unless(config.position == PositionKind::kRope, "model.position = rope");
  needs.unless(config.ffn == FfnKind::kSwiglu, "model.ffn = swiglu");
  const bool normed = qwen3 || olmoe;
  needs.unless(config.qk_norm == normed, normed ? "model.qk_norm = true" : "model.qk_norm = false");
  needs.unless(config.qk_norm_full_width == olmoe,
               olmoe ? "model.qk_norm_full_width = true" : "model.qk_norm_full_width = false");
  if (qwen3 || olmoe || qwen2) {
    needs.unless(config.rope_pairing == RopePairing::kHalfSplit, "model.rope_pairing = half_split");
    if (qwen2) {
      needs.unless(config.attention_bias, "model.attention_bias = true");
      needs.unless(!config.attention_output_bias, "model.attention_output_bias = false");
    } else {
      needs.unless(!config.attention_bias, "model.attention_bias = false");
    }
    if (olmoe) needs.unless(config.kv_heads() == config.num_heads, "model.num_kv_heads = 0");
    // Their head is a tensor of its own.
    if (!qwen3) needs.unless(!config.tied_embeddings, "model.tied_embeddings = false");
    needs.unless(all_moe, "an MoE layer in every block (model.moe.layers)");
  } else if (ernie) {
    const bool to_the_last = any_moe && config.moe_layers.front() + config.moe_layers.size() == config.num_layers;
    needs.unless(!config.attention_bias, "model.attention_bias = false");
    needs.unless(to_the_last, "MoE layers from some block to the last one (model.moe.layers)");
  } else {
    needs.unless(config.has_output_bias() == config.attention_bias, "model.attention_output_bias = true");
    needs.unless(all_moe || !any_moe, "an MoE layer in every block or in none (model.moe.layers)");
  }
  if (!any_moe) return needs;
  const MoEConfig& moe = config.moe;
  const GateOrder order = moe.resolved_gate_order();
  if (olmoe || qwen2) {
    needs.unless(order == GateOrder::kSoftmaxTopk, "model.moe.gate_order = softmax_topk");
  } else {
    needs.unless(order == GateOrder::kSoftmaxTopkRenorm || order == GateOrder::kTopkSoftmax,
                 "model.moe.gate_order = softmax_topk_renorm");
  }
  needs.unless(moe.num_experts <= kMostGgufExperts, "model.moe.num_experts <= 512");
  needs.unless(!moe.router_bias, "model.moe.router_bias = false");
  needs.unless(moe.eval_capacity_factor == 0, "model.moe.eval_capacity_factor = 0");
  needs.unless(moe.shared_expert_gate == qwen2,
               qwen2 ? "model.moe.shared_expert_gate = true" : "model.moe.shared_expert_gate = false");
  if (ernie) return needs;
  if (qwen2) {
    needs.unless(moe.num_shared_experts > 0, "model.moe.num_shared_experts of at least 1");
  } else {
    needs.unless(moe.num_shared_experts == 0, "model.moe.num_shared_experts = 0");
  }
  needs.unless(!has_expert_bias, "every expert_bias = 0 (model.moe.bias_balancing moves it)");
  return needs;
}

/// Lists the tensors of one model.
class GgufTensorList {
 public:
  GgufTensorList(GgufArchitecture architecture, const ModelConfig& config)
      : architecture_(architecture), config_(config) {}

  std::vector<GgufTensor> all() {
    const std::size_t d = config_.d_model;
    const bool gpt2 = architecture_ == GgufArchitecture::kGpt2;
    add("token_embd.weight", {config_.vocab_size, d}, "token_embedding.weight");
    if (gpt2) add("position_embd.weight", {config_.max_seq_len, d}, "position_embedding.weight");
    norm("output_norm", "final_norm");
    if (!config_.tied_embeddings) add("output.weight", {config_.vocab_size, d}, "head.weight");
    for (std::size_t b = 0; b < config_.num_layers; ++b) {
      theirs_ = concat("blk.", b, '.');
      ours_ = concat("blocks.", b, '.');
      norm("attn_norm", "norm1");
      gpt2 ? fused_attention() : attention();
      norm("ffn_norm", "norm2");
      gpt2 ? gelu_mlp() : config_.is_moe_layer(b) ? experts() : swiglu();
    }
    return std::move(tensors_);
  }

 private:
  GgufTensor& add(const std::string& name, std::vector<std::size_t> shape, const std::string& parameter,
                  std::size_t offset = 0) {
    return tensors_.emplace_back(GgufTensor{theirs_ + name, std::move(shape), ours_ + parameter, offset});
  }
  void norm(const std::string& name, const std::string& parameter) {
    add(name + ".weight", {config_.d_model}, parameter + ".weight");
    if (config_.norm == NormKind::kLayerNorm) add(name + ".bias", {config_.d_model}, parameter + ".bias");
  }
  void fused_attention() {
    const std::size_t d = config_.d_model, width = d + 2 * config_.kv_heads() * config_.head_dim();
    add("attn_qkv.weight", {width, d}, "attn.qkv.weight");
    add("attn_qkv.bias", {width}, "attn.qkv.bias");
    add("attn_output.weight", {d, d}, "attn.proj.weight");
    add("attn_output.bias", {d}, "attn.proj.bias");
  }
  void attention() {
    const std::size_t d = config_.d_model, kv = config_.kv_heads() * config_.head_dim();
    const bool interleave = gguf_rotates_pairs(architecture_) && config_.rope_pairing == RopePairing::kHalfSplit;
    const struct {
      const char* name;
      std::size_t begin, rows, heads;
    } parts[] = {{"attn_q", 0, d, config_.num_heads}, {"attn_k", d, kv, config_.kv_heads()}, {"attn_v", d + kv, kv, 0}};
    for (const auto& part : parts) {
      const std::size_t heads = interleave ? part.heads : 0;
      add(concat(part.name, ".weight"), {part.rows, d}, "attn.qkv.weight", part.begin * d).interleaved_heads = heads;
      if (!config_.attention_bias) continue;
      add(concat(part.name, ".bias"), {part.rows}, "attn.qkv.bias", part.begin).interleaved_heads = heads;
    }
    add("attn_output.weight", {d, d}, "attn.proj.weight");
    if (config_.has_output_bias()) add("attn_output.bias", {d}, "attn.proj.bias");
    if (!config_.qk_norm) return;
    add("attn_q_norm.weight", {config_.q_norm_width()}, "attn.q_norm.weight");
    add("attn_k_norm.weight", {config_.k_norm_width()}, "attn.k_norm.weight");
  }
  void gelu_mlp() {
    const std::size_t d = config_.d_model, f = config_.d_ff;
    add("ffn_up.weight", {f, d}, "ffn.w_up_proj");
    add("ffn_up.bias", {f}, "ffn.b_up_proj");
    add("ffn_down.weight", {d, f}, "ffn.w_down_proj");
    add("ffn_down.bias", {d}, "ffn.b_down_proj");
  }
  void swiglu() {
    const std::size_t d = config_.d_model, f = config_.d_ff;
    add("ffn_gate.weight", {f, d}, "ffn.w_gate_proj");
    add("ffn_up.weight", {f, d}, "ffn.w_up_proj");
    add("ffn_down.weight", {d, f}, "ffn.w_down_proj");
  }
  void experts() {
    const std::size_t d = config_.d_model, e = config_.moe.num_experts, f = config_.moe.d_expert;
    add("ffn_gate_inp.weight", {e, d}, "moe.router.weight");
    add("ffn_gate_exps.weight", {e, f, d}, "moe.experts.w_gate_proj");
    add("ffn_up_exps.weight", {e, f, d}, "moe.experts.w_up_proj");
    add("ffn_down_exps.weight", {e, d, f}, "moe.experts.w_down_proj");
    if (architecture_ == GgufArchitecture::kErnie45Moe) add("exp_probs_b.bias", {e}, "moe.expert_bias");
    if (config_.moe.shared_expert_gate) add("ffn_gate_inp_shexp.weight", {d}, "moe.shared_gate.weight");
    const std::size_t shared = config_.moe.num_shared_experts * f;
    if (shared == 0) return;
    add("ffn_gate_shexp.weight", {shared, d}, "moe.shared.w_gate_proj");
    add("ffn_up_shexp.weight", {shared, d}, "moe.shared.w_up_proj");
    add("ffn_down_shexp.weight", {d, shared}, "moe.shared.w_down_proj");
  }

  GgufArchitecture architecture_;
  const ModelConfig& config_;
  std::vector<GgufTensor> tensors_;
  std::string theirs_, ours_;
};

}  // namespace

const char* gguf_architecture_name(GgufArchitecture architecture) {
  static const char* const kNames[] = {"gpt2", "llama", "qwen3moe", "ernie4_5-moe", "olmoe", "qwen2moe"};
  return kNames[static_cast<std::size_t>(architecture)];
}

std::optional<GgufArchitecture> find_gguf_architecture(const ModelConfig& config, bool has_expert_bias) {
  for (const GgufArchitecture architecture : kGgufArchitectures) {
    if (gguf_needs(architecture, config, has_expert_bias).cost() == 0) return architecture;
  }
  return {};
}

GgufArchitecture choose_gguf_architecture(const ModelConfig& config, bool has_expert_bias) {
  if (const auto architecture = find_gguf_architecture(config, has_expert_bias)) return *architecture;
  GgufArchitecture nearest = kGgufArchitectures[0];
  FormatNeeds fewest = gguf_needs(nearest, config, has_expert_bias);
  for (const GgufArchitecture architecture : kGgufArchitectures) {
    const FormatNeeds needs = gguf_needs(architecture, config, has_expert_bias);
    if (needs.cost() < fewest.cost()) {
      nearest = architecture;
      fewest = needs;
    }
  }
  throw Error(ErrorCode::kUnsupported, concat("no architecture of GGUF holds this model without loss; the nearest is ",
                                              gguf_architecture_name(nearest), ", which needs ", fewest.text()));
}

std::string gguf_architecture(const ModelConfig& config, bool has_expert_bias) {
  return gguf_architecture_name(choose_gguf_architecture(config, has_expert_bias));
}

std::size_t GgufTensor::size() const {
  std::size_t count = 1;
  for (const std::size_t extent : shape) count *= extent;
  return count;
}

std::vector<GgufTensor> gguf_tensors(GgufArchitecture architecture, const ModelConfig& config) {
  return GgufTensorList(architecture, config).all();
}

}  // namespace minimoe
