// SPDX-License-Identifier: Apache-2.0
// llama.cpp's architectures: which of them is a model of ours, and which tensor is which part of which parameter.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minimoe/model/model_config.hpp"

namespace minimoe {

enum class GgufArchitecture { kGpt2, kLlama, kQwen3Moe, kErnie45Moe, kOlmoe, kQwen2Moe };
inline constexpr GgufArchitecture kGgufArchitectures[] = {GgufArchitecture::kGpt2,     GgufArchitecture::kLlama,
                                                          GgufArchitecture::kQwen3Moe, GgufArchitecture::kErnie45Moe,
                                                          GgufArchitecture::kOlmoe,    GgufArchitecture::kQwen2Moe};
/// "gpt2", the general.architecture
const char* gguf_architecture_name(GgufArchitecture architecture);
/// Whether feed_forward_length is the width of the experts, where there are any.
inline bool gguf_has_one_width(GgufArchitecture architecture) {
  return architecture == GgufArchitecture::kLlama || architecture == GgufArchitecture::kOlmoe;
}
/// Whether llama.cpp rotates adjacent pairs, not both halves.
inline bool gguf_rotates_pairs(GgufArchitecture architecture) {
  return architecture == GgufArchitecture::kLlama || architecture == GgufArchitecture::kErnie45Moe;
}

/// The architecture that holds a model of `config` without loss; none when there is none.
std::optional<GgufArchitecture> find_gguf_architecture(const ModelConfig& config, bool has_expert_bias);
/// The same. @throws Error(kUnsupported) naming the nearest, and what it needs.
GgufArchitecture choose_gguf_architecture(const ModelConfig& config, bool has_expert_bias);

/// One tensor of the file: a run of consecutive elements of one parameter.
struct GgufTensor {
  std::string name;
  std::vector<std::size_t> shape;  ///< outermost first
  std::string parameter;           ///< ours
  std::size_t offset = 0;          ///< of its first element in the parameter
  /// Not 0: the rows of so many heads, each in two halves, whose rows the file has in turn: llama.cpp rotates adjacent
  /// pairs in `llama` and `ernie4_5-moe`.
  std::size_t interleaved_heads = 0;

  std::size_t size() const;
  /// Row of the parameter's part that is row `row` of the file.
  std::size_t source_row(std::size_t row) const {
    if (interleaved_heads == 0) return row;
    const std::size_t head_rows = shape[0] / interleaved_heads, i = row % head_rows;
    return row - i + i / 2 + i % 2 * (head_rows / 2);
  }
};

/// Every tensor of a model of `config`, in the order of the file. They cover each parameter once, but expert_bias
/// where the architecture has none.
std::vector<GgufTensor> gguf_tensors(GgufArchitecture architecture, const ModelConfig& config);

}  // namespace minimoe
