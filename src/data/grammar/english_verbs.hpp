// SPDX-License-Identifier: Apache-2.0
// English verbs: forms and what they take.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "data/grammar/cell.hpp"

namespace minimoe::grammar {

struct EnglishVerb {
  const char* base;
  const char* past;         ///< "": regular
  const char* participle;   ///< "": as the past
  const char* flags;        ///< S stative, A also said of animals, D doubles its last letter, H held out in the past
  const char* complements;  ///< phrases separated by ;
  bool has(char flag) const { return std::string_view(flags).find(flag) != std::string_view::npos; }
};

/// By falling frequency; the first `max_verbs`, 0: all.
std::span<const EnglishVerb> english_verbs(std::size_t max_verbs = 0);

/// "goes", "studies", "has"; for be: "is".
std::string english_third_person(const EnglishVerb& verb);
/// "went", "studied", "stopped"; for be: "was".
std::string english_past(const EnglishVerb& verb);
std::string english_participle(const EnglishVerb& verb);
/// One word of the present or the past: "am", "walk", "were".
std::string english_form(const EnglishVerb& verb, Tense tense, Person person);

}  // namespace minimoe::grammar
