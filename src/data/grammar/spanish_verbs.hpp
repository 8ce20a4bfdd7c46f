// SPDX-License-Identifier: Apache-2.0
// Spanish verbs: forms and what they take.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "data/grammar/cell.hpp"

namespace minimoe::grammar {

struct SpanishVerb {
  const char* infinitive;
  const char* change;       ///< stressed stem vowel in the present: "e>ie", "o>ue", "u>ue", "e>i"; "": none
  const char* irregular;    ///< "key=value;...": yo, past_stem, future_stem, or rows of six: present, past, imperfect
  const char* flags;        ///< S stative, A also said of animals, H held out in the past
  const char* complements;  ///< phrases separated by ;
  bool has(char flag) const { return std::string_view(flags).find(flag) != std::string_view::npos; }
};

/// By falling frequency; the first `max_verbs`, 0: all.
std::span<const SpanishVerb> spanish_verbs(std::size_t max_verbs = 0);

/// Present, past (pretérito), imperfect or future: "empiezo", "busqué", "leía", "tendréis".
std::string spanish_form(const SpanishVerb& verb, Tense tense, Person person);

}  // namespace minimoe::grammar
