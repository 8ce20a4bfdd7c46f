// SPDX-License-Identifier: Apache-2.0
// English nouns with their plurals, and adjectives that go with them.
#pragma once

#include <span>

namespace minimoe::grammar {

struct EnglishNoun {
  const char* singular;
  const char* plural;
  char kind;  ///< P person, A animal, T thing
};
std::span<const EnglishNoun> english_nouns();

/// Adjectives for a kind of noun, separated by blanks.
const char* english_adjectives(char kind);

}  // namespace minimoe::grammar
