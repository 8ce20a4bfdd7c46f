// SPDX-License-Identifier: Apache-2.0
// tokenizer.json, the file of the tokenizers library.
#pragma once

#include <string>
#include <string_view>

#include "data/bpe/bpe_tokenizer.hpp"

namespace minimoe {

inline constexpr std::size_t kMaxTokenizerBytes = std::size_t{1} << 26;

std::string tokenizer_json(const BpeTokenizer& tokenizer);

/// Reads what tokenizer_json writes, and GPT-2's own: byte-level BPE with GPT-2's splitting and nothing that would give
/// other ids. Added tokens must be in the vocabulary; their text in a corpus is text like any other.
/// @throws Error(kCorruptFile) `path: key is ..., expected ...`.
BpeTokenizer read_tokenizer_json(std::string_view text, const std::string& path);

}  // namespace minimoe
