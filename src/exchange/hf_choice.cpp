// SPDX-License-Identifier: Apache-2.0
// Which of Hugging Face's architectures is a given model.
#include <algorithm>
#include <iterator>

#include "exchange/format_needs.hpp"
#include "exchange/hf_config.hpp"
#include "minimoe/exchange/hugging_face.hpp"

namespace minimoe {
namespace {

FormatNeeds needs_of(HfType type, const ModelConfig& config, bool has_expert_bias) {
  FormatNeeds needs;
  const bool gpt2 = type == HfType::kGpt2, any_moe = !config.moe_layers.empty();
  const bool olmoe = type == HfType::kOlmoe, qwen2 = type == HfType::kQwen2Moe, qwen3 = type == HfType::kQwen3Moe;
  const MoEConfig& moe = config.moe;
  needs.unless(config.norm == (gpt2 ? NormKind::kLayerNorm : NormKind::kRmsNorm),
               gpt2 ? "model.norm = layer_norm" : "model.norm = rms_norm");
  needs.unless(config.position == (gpt2 ? PositionKind::kLearned : PositionKind::kRope),
               gpt2 ? "model.position = learned" : "model.position = rope");
  needs.unless(config.ffn == (gpt2 ? FfnKind::kGelu : FfnKind::kSwiglu),
               gpt2 ? "model.ffn = gelu" : "model.ffn = swiglu");
  if (gpt2) {
    needs.unless(config.attention_bias, "model.attention_bias = true");
    needs.unless(config.attention_output_bias, "model.attention_output_bias = true");
    needs.unless(config.kv_heads() == config.num_heads, "model.num_kv_heads = 0");
  } else if (type == HfType::kErnie45Moe) {
    needs.unless(config.rope_pairing == RopePairing::kInterleaved, "model.rope_pairing = interleaved");
  } else {
    needs.unless(config.rope_pairing == RopePairing::kHalfSplit, "model.rope_pairing = half_split");
  }
  const bool normed = qwen3 || olmoe;
  needs.unless(config.qk_norm == normed, normed ? "model.qk_norm = true" : "model.qk_norm = false");
  needs.unless(config.qk_norm_full_width == olmoe,
               olmoe ? "model.qk_norm_full_width = true" : "model.qk_norm_full_width = false");
  if (type == HfType::kMixtral || type == HfType::kErnie45Moe) {
    needs.unless(!config.attention_bias, "model.attention_bias = false");
  } else if (qwen2) {
    needs.unless(!config.has_output_bias(), "model.attention_output_bias = false");
  } else if (!gpt2) {
    needs.unless(config.has_output_bias() == config.attention_bias, "model.attention_output_bias = true");
  }
  if (gpt2 || type == HfType::kLlama) {
    needs.unless(!any_moe, "model.moe.layers = []", 10);  // the last thing to give up
    return needs;
  }
  if (type == HfType::kMixtral || olmoe) {
    needs.unless(config.moe_layers.size() == config.num_layers, "an MoE layer in every block (model.moe.layers)");
  }
  if (type == HfType::kErnie45Moe) {
    needs.unless(moe_block_rule(config).interval > 0, "MoE layers at a regular distance (model.moe.layers)");
  }
  if (!any_moe) return needs;
  const GateOrder order = moe.resolved_gate_order();
  const bool renormalised = order == GateOrder::kSoftmaxTopkRenorm || order == GateOrder::kTopkSoftmax;
  const bool either = qwen2 || qwen3 || olmoe;
  needs.unless(renormalised || (order == GateOrder::kSoftmaxTopk && either),
               either ? "model.moe.gate_order = softmax_topk_renorm or softmax_topk"
                      : "model.moe.gate_order = softmax_topk_renorm");
  needs.unless(!moe.router_bias, "model.moe.router_bias = false");
  needs.unless(moe.eval_capacity_factor == 0, "model.moe.eval_capacity_factor = 0");
  if (qwen2) {
    needs.unless(moe.num_shared_experts > 0, "model.moe.num_shared_experts of at least 1");
  } else if (type != HfType::kErnie45Moe) {
    needs.unless(moe.num_shared_experts == 0, "model.moe.num_shared_experts = 0");
  }
  needs.unless(moe.shared_expert_gate == qwen2,
               qwen2 ? "model.moe.shared_expert_gate = true" : "model.moe.shared_expert_gate = false");
  if (type != HfType::kErnie45Moe) {
    needs.unless(!has_expert_bias, "every expert_bias = 0 (model.moe.bias_balancing moves it)");
  }
  return needs;
}

}  // namespace

MoEBlockRule moe_block_rule(const ModelConfig& config) {
  const std::vector<std::size_t>& blocks = config.moe_layers;
  if (blocks.empty()) return {0, config.num_layers - 1, config.num_layers + 1};
  for (std::size_t interval = 1; interval <= config.num_layers; ++interval) {
    std::vector<std::size_t> made;
    for (std::size_t b = blocks.front(); b <= blocks.back(); ++b) {
      if ((b + 1) % interval == 0) made.push_back(b);
    }
    if (made == blocks) return {blocks.front(), blocks.back(), interval};
  }
  return {};
}

std::optional<HfType> find_hf_type(const ModelConfig& config, bool has_expert_bias) {
  for (const HfType type : kHfTypes) {
    if (needs_of(type, config, has_expert_bias).cost() == 0) return type;
  }
  return {};
}

HfType choose_hf_type(const ModelConfig& config, bool has_expert_bias) {
  if (const auto type = find_hf_type(config, has_expert_bias)) return *type;
  HfType nearest = HfType::kGpt2;
  FormatNeeds fewest;
  for (const HfType type : kHfTypes) {
    const FormatNeeds needs = needs_of(type, config, has_expert_bias);
    if (type == kHfTypes[0] || needs.cost() < fewest.cost()) {
      nearest = type;
      fewest = needs;
    }
  }
  throw Error(ErrorCode::kUnsupported,
              concat("no architecture of Hugging Face holds this model without loss; the nearest is ",
                     hf_type_name(nearest), ", which needs ", fewest.text()));
}

std::string hugging_face_type(const ModelConfig& config, bool has_expert_bias) {
  return hf_type_name(choose_hf_type(config, has_expert_bias));
}

}  // namespace minimoe
