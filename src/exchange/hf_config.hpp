// SPDX-License-Identifier: Apache-2.0
// config.json of Hugging Face's transformers, both ways, for the architectures that this library can compute.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minimoe/model/model_config.hpp"

namespace minimoe {

enum class HfType { kGpt2, kLlama, kMixtral, kQwen3Moe, kErnie45Moe, kOlmoe, kQwen2Moe };
inline constexpr HfType kHfTypes[] = {HfType::kGpt2,       HfType::kLlama, HfType::kMixtral, HfType::kQwen3Moe,
                                      HfType::kErnie45Moe, HfType::kOlmoe, HfType::kQwen2Moe};
/// "gpt2", the model_type of config.json
const char* hf_type_name(HfType type);

struct HfConfig {
  HfType type;
  ModelConfig model;
};

/// @param source begins the messages. @throws Error(kCorruptFile) listing every missing or malformed field;
/// Error(kUnsupported) listing every field that asks for what this library cannot compute.
HfConfig read_hf_config(const std::string& json, const std::string& source);

/// Complete for transformers 4 and 5: every value that decides the model's function is stated, whatever its default.
/// @param config is of `type` (choose_hf_type).
std::string hf_config_json(HfType type, const ModelConfig& config);

/// The type that holds a model of `config` without loss; none when there is none.
std::optional<HfType> find_hf_type(const ModelConfig& config, bool has_expert_bias);
/// The same. @throws Error(kUnsupported) naming the nearest, and what it needs.
HfType choose_hf_type(const ModelConfig& config, bool has_expert_bias);

/// ernie4_5_moe's rule: block b is an MoE layer when start <= b <= end and b + 1 is a multiple of interval.
struct MoEBlockRule {
  std::size_t start = 0, end = 0, interval = 0;  ///< interval 0: no rule gives these blocks
};
MoEBlockRule moe_block_rule(const ModelConfig& config);

}  // namespace minimoe
