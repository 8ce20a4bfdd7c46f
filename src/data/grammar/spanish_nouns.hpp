// SPDX-License-Identifier: Apache-2.0
// Spanish nouns with gender and plural, and adjectives that agree with them.
#pragma once

#include <span>
#include <string>

namespace minimoe::grammar {

struct SpanishNoun {
  const char* singular;
  const char* plural;
  bool is_feminine;
  char kind;  ///< P person, A animal, T thing, I not a thing to paint or lift
};
std::span<const SpanishNoun> spanish_nouns();

struct SpanishAdjective {
  const char* masculine;
  const char* feminine;
  const char* kinds;  ///< kinds of noun that it suits
  bool is_state;      ///< with estar, not ser
};
std::span<const SpanishAdjective> spanish_adjectives();

/// "rojo" -> "rojos", "azul" -> "azules", "feliz" -> "felices"
std::string spanish_adjective_plural(const std::string& singular);

}  // namespace minimoe::grammar
