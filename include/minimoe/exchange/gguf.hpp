// SPDX-License-Identifier: Apache-2.0
// Models as GGUF files, for llama.cpp.
#pragma once

#include <memory>
#include <string>

#include "minimoe/model/minigpt.hpp"

namespace minimoe {

/// The general.architecture that holds a model of `config` without loss: "gpt2", "llama" (also with experts, which is
/// Mixtral), "qwen3moe", "ernie4_5-moe", "olmoe" or "qwen2moe".
/// @param has_expert_bias whether some expert_bias is not 0.
/// @throws Error(kUnsupported) naming the nearest one, and what would have to change for it.
std::string gguf_architecture(const ModelConfig& config, bool has_expert_bias);

/// What export_gguf would refuse in this model, without writing.
/// @throws Error(kUnsupported) as gguf_architecture; for an expert_bias so spread that llama.cpp, which raises the sum
/// of the chosen probabilities to 6.1e-5, may compute something else; for a gate of the shared experts that is 0; for a
/// number that float32 does not have.
template <class T>
void check_gguf(const ModelConfig& config, const ParameterList<T>& parameters);

/// Writes GGUF version 3, every tensor in float32. The file appears whole or not at all, and replaces an older one. Its
/// bytes depend on the arguments alone. Float weights are written from where they are; one tensor at a time is copied
/// of doubles, and of queries and keys whose rows change places.
/// @param parameters of a model of `config`
/// @param tokenizer_json  a byte-level BPE vocabulary to write as one of GPT-2's kind, filled up with unused tokens to
/// vocab_size; empty: the file has no vocabulary (tokenizer.ggml.model "none").
/// @param tokenizer_name  what errors call it: its file
/// @throws Error(kUnsupported) as check_gguf; Error(kCorruptFile) for a tokenizer of another kind;
/// Error(kInvalidArgument) for one with more tokens than the model; Error(kIo).
template <class T>
void export_gguf(const std::string& path, const ModelConfig& config, const ParameterList<T>& parameters,
                 const std::string& tokenizer_json = {}, const std::string& tokenizer_name = "tokenizer");

/// A GGUF file of one of those architectures, as llama.cpp and this library write them, of tensors in F32, F16, BF16 or
/// F64. Opening it reads and checks the header; weights are read on demand. Its vocabulary is not read.
class GgufModel {
 public:
  /// @throws Error(kIo); Error(kCorruptFile) for what is not as the format promises; Error(kUnsupported) for a model
  /// that this library cannot compute, naming every such key, or for quantised tensors; Error(kShape) listing the
  /// missing, extra and misshapen tensors.
  explicit GgufModel(const std::string& path);
  ~GgufModel();

  const ModelConfig& config() const;
  /// Reads every parameter; expert_bias is 0 where the architecture has none. @param model of config().
  template <class T>
  void load_weights(MiniGPT<T>& model) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace minimoe
