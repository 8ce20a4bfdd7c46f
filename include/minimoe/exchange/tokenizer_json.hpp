// SPDX-License-Identifier: Apache-2.0
// Our alphabets as a tokenizer.json of Hugging Face's tokenizers.
#pragma once

#include <string>

#include "minimoe/data/token_source.hpp"

namespace minimoe {

/// Gives the ids that source.encode gives: for a source of bytes or a BPE vocabulary (text) and of words (the
/// grammar corpus, CoNLL-U). An unknown word is <unk> where the source has it, and an error where the source refuses
/// it.
/// @throws Error(kUnsupported) for a source of bare numbers.
std::string tokenizer_json(const TokenSource& source);

}  // namespace minimoe
