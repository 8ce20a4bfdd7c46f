// SPDX-License-Identifier: Apache-2.0
// What a model makes of given tokens, as a file: to hold two frameworks side by side.
#pragma once

#include <string>
#include <vector>

#include "minimoe/model/minigpt.hpp"

namespace minimoe {

struct LogitsOptions {
  bool router = false;     ///< router_logits.BLOCK [B, S, E], chosen_experts.BLOCK and gate_weights.BLOCK [B, S, K]
  bool gradients = false;  ///< grad.NAME of the loss, by the names of Hugging Face's type of the model; else by ours
};

/// Writes a safetensors file with logits [B, S, V], loss (mean cross entropy of each next token; absent when S = 1),
/// and what the options ask for. A forward as in evaluation.
/// @param parameters those of `model` @param tokens [B * S], ids of the model
/// @throws Error(kInvalidArgument) for gradients of sequences of one token; Error(kIo).
template <class T>
void write_logits(const std::string& path, Exec& exec, const MiniGPT<T>& model, const ParameterList<T>& parameters,
                  const std::vector<std::int32_t>& tokens, std::size_t seq_len, const LogitsOptions& options,
                  MemoryResource* resource = nullptr);

}  // namespace minimoe
