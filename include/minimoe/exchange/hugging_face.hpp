// SPDX-License-Identifier: Apache-2.0
// Models as the files of Hugging Face's transformers: config.json and model.safetensors.
#pragma once

#include <memory>
#include <string>

#include "minimoe/model/minigpt.hpp"

namespace minimoe {

/// The model_type that holds a model of `config` without loss: "gpt2", "llama", "mixtral", "qwen3_moe",
/// "ernie4_5_moe", "olmoe" or "qwen2_moe".
/// @param has_expert_bias whether some expert_bias is not 0.
/// @throws Error(kUnsupported) naming the nearest one, and what would have to change for it.
std::string hugging_face_type(const ModelConfig& config, bool has_expert_bias);

/// Writes model.safetensors (float32) and config.json into `directory`, which is made when it is missing. Each file
/// appears whole or not at all, and replaces an older one, config.json last; an older config.json is removed first. The
/// bytes depend on the model alone. What only training uses (balance losses, capacity in training, the optimizer) is
/// not among them.
/// @param parameters of a model of `config` @throws Error(kUnsupported) as hugging_face_type; Error(kIo).
template <class T>
void export_hugging_face(const std::string& directory, const ModelConfig& config, const ParameterList<T>& parameters);

/// A directory with a config.json, and model.safetensors or the shards of a model.safetensors.index.json. Opening it
/// reads and checks the headers, and of the weights a tied head alone; they are read on demand, in their own type (F64,
/// F32, BF16, F16).
class HuggingFaceModel {
 public:
  /// @throws Error(kIo); Error(kCorruptFile) for what is not as the formats promise; Error(kUnsupported) for a model
  /// that this library cannot compute, naming every such field; Error(kShape) listing the missing, extra and misshapen
  /// tensors.
  explicit HuggingFaceModel(const std::string& directory);
  ~HuggingFaceModel();

  const ModelConfig& config() const;
  /// Reads every parameter; expert_bias is 0 where the format has none. @param model of config().
  template <class T>
  void load_weights(MiniGPT<T>& model) const;
  /// The same of some of a model's parameters: the files are read, not kept, so what these take is all that is needed.
  template <class T>
  void load_parameters(const ParameterList<T>& parameters) const;
  /// Copies row `token`, below vocab_size, of token_embedding.weight.
  template <class T>
  void load_embedding(std::int32_t token, T* row_D) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace minimoe
