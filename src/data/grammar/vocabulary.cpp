// SPDX-License-Identifier: Apache-2.0
#include "data/grammar/vocabulary.hpp"

namespace minimoe::grammar {

const std::vector<std::string>& token_class_names() {
  static const std::vector<std::string> names = {
      "end",         "punctuation",     "mark",         "drill-tag", "tense-tag",
      "person-tag",  "verb-infinitive", "verb-present", "verb-past", "verb-imperfect",
      "verb-future", "verb-participle", "wrong-form",   "auxiliary", "subject-pronoun",
      "determiner",  "noun-sg",         "noun-pl",      "adjective", "adverb",
      "preposition", "negation",        "question-word"};
  return names;
}

Vocabulary::Vocabulary() : words_{"\n"}, languages_{0} { tokens_.emplace("\n", kEnd); }

std::uint16_t Vocabulary::add(std::string_view word, Language language) {
  const auto [entry, is_new] = tokens_.try_emplace(std::string(word), static_cast<std::uint16_t>(words_.size()));
  if (is_new) {
    words_.emplace_back(word);
    languages_.push_back(0);
  }
  languages_[entry->second] =
      static_cast<std::uint8_t>(languages_[entry->second] | static_cast<std::uint8_t>(language));
  return entry->second;
}

std::int32_t Vocabulary::find(std::string_view word) const {
  const auto entry = tokens_.find(std::string(word));
  return entry == tokens_.end() ? -1 : entry->second;
}

bool Vocabulary::used_in(std::uint16_t token, Language language) const {
  return (languages_[token] & static_cast<std::uint8_t>(language)) != 0;
}

std::size_t Vocabulary::memory_bytes() const {
  // Words are short enough to live inside std::string; the map keeps a second copy, a hash and two pointers.
  return words_.size() * (2 * sizeof(std::string) + 1 + 4 * sizeof(void*));
}

}  // namespace minimoe::grammar
