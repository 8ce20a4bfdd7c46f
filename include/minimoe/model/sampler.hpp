// SPDX-License-Identifier: Apache-2.0
// Generating tokens and answering probes. Full forward passes; a key/value cache comes with the exchange formats.
#pragma once

#include "minimoe/core/cancel.hpp"
#include "minimoe/model/minigpt.hpp"

namespace minimoe {

struct SampleOptions {
  std::size_t max_new_tokens = 64;
  double temperature = 1;  ///< > 0; 0: greedy
  std::size_t top_k = 0;   ///< keep the k likeliest tokens; 0: all
  std::uint64_t seed = 0;
  std::int32_t stop_token = -1;  ///< ends the text (and is included); -1: none
};

/// Continues `prompt` (not empty, ids of the model); the context is the last max_seq_len tokens. @return the new
/// tokens.
/// @throws Error(kCancelled) before a token.
template <class T>
std::vector<std::int32_t> sample_tokens(Exec& exec, const MiniGPT<T>& model, const std::vector<std::int32_t>& prompt,
                                        const SampleOptions& options, const CancelFlag* cancel = nullptr,
                                        MemoryResource* resource = nullptr);

/// How many of the questions greedy decoding answers exactly: prompts[i] is answered right when each token of
/// answers[i] is the likeliest after what stands before it. Questions longer than max_seq_len are an error.
/// @throws Error(kCancelled) between questions.
template <class T>
std::size_t count_exact_answers(Exec& exec, const MiniGPT<T>& model,
                                const std::vector<std::vector<std::int32_t>>& prompts,
                                const std::vector<std::vector<std::int32_t>>& answers,
                                const CancelFlag* cancel = nullptr, MemoryResource* resource = nullptr);

}  // namespace minimoe
