// SPDX-License-Identifier: Apache-2.0
// Reads which (verb, person, tense) a sentence of the corpus shows, from its words and classes alone: an oracle for the
// held-out promise that knows nothing of templates.
#pragma once

#include <compare>
#include <map>
#include <set>
#include <span>
#include <string>

#include "data/grammar/cell.hpp"
#include "data/grammar/vocabulary.hpp"

namespace minimoe::grammar {

struct Triple {
  std::string verb;  ///< "to walk", "hablar"
  Person person;
  Tense tense;
  auto operator<=>(const Triple&) const = default;
};

class SentenceReading {
 public:
  explicit SentenceReading(const Vocabulary& vocabulary);

  /// Triples of all verbs in the sentence; wrong forms, alternatives in brackets and principal parts have none.
  std::set<Triple> triples(std::span<const Piece> pieces) const;

 private:
  bool is(const Piece& piece, const char* word) const;
  int person_of(const Piece& piece) const;
  int subject_before(std::span<const Piece> pieces, std::size_t at) const;
  int subject(std::span<const Piece> pieces, std::size_t at) const;

  const Vocabulary& vocabulary_;
  std::map<std::string, Person> pronouns_;
  std::map<std::pair<std::string, Tense>, std::set<std::pair<std::string, Person>>> forms_;
};

}  // namespace minimoe::grammar
