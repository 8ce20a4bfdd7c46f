// SPDX-License-Identifier: Apache-2.0
// Text to word tokens and back.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/grammar/vocabulary.hpp"

namespace minimoe::grammar {

/// Splits at white space and around punctuation; a line feed is Vocabulary::kEnd.
/// @throws Error(kInvalidArgument) naming the unknown word and the nearest known one.
std::vector<std::int32_t> encode_words(const Vocabulary& vocabulary, const std::string& text);

/// Words with blanks between them, none before . , ? : ) and after ¿ (.
std::string decode_words(const Vocabulary& vocabulary, std::span<const std::int32_t> tokens);

}  // namespace minimoe::grammar
