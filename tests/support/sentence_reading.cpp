// SPDX-License-Identifier: Apache-2.0
#include "support/sentence_reading.hpp"

#include "data/grammar/english_verbs.hpp"
#include "data/grammar/spanish_verbs.hpp"

namespace minimoe::grammar {
namespace {

constexpr Tense kAllTenses[] = {Tense::kPresent, Tense::kPast, Tense::kImperfect, Tense::kFuture};

}  // namespace

SentenceReading::SentenceReading(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {
  pronouns_ = {{"I", Person::kFirst},
               {"you", Person::kSecond},
               {"he", Person::kThird},
               {"she", Person::kThird},
               {"we", Person::kFirstPlural},
               {"they", Person::kThirdPlural},
               {"yo", Person::kFirst},
               {"tú", Person::kSecond},
               {"él", Person::kThird},
               {"ella", Person::kThird},
               {"nosotros", Person::kFirstPlural},
               {"vosotros", Person::kSecondPlural},
               {"ellos", Person::kThirdPlural},
               {"ellas", Person::kThirdPlural}};
  for (const EnglishVerb& verb : english_verbs()) {
    const std::string name = std::string("to ") + verb.base;
    for (std::size_t p = 0; p < kNumPersons; ++p) {
      const auto person = static_cast<Person>(p);
      for (const Tense tense : {Tense::kPresent, Tense::kPast}) {
        forms_[{english_form(verb, tense, person), tense}].insert({name, person});
      }
      forms_[{verb.base, Tense::kFuture}].insert({name, person});
      forms_[{english_participle(verb), Tense::kPerfect}].insert({name, person});
    }
  }
  for (const SpanishVerb& verb : spanish_verbs()) {
    for (std::size_t p = 0; p < kNumPersons; ++p) {
      for (const Tense tense : kAllTenses) {
        const auto person = static_cast<Person>(p);
        forms_[{spanish_form(verb, tense, person), tense}].insert({verb.infinitive, person});
      }
    }
  }
}

bool SentenceReading::is(const Piece& piece, const char* word) const {
  return vocabulary_.words()[piece.token] == word;
}

// Person of a pronoun or noun, or -1.
int SentenceReading::person_of(const Piece& piece) const {
  if (piece.token_class == TokenClass::kNounSingular) return static_cast<int>(Person::kThird);
  if (piece.token_class == TokenClass::kNounPlural) return static_cast<int>(Person::kThirdPlural);
  if (piece.token_class != TokenClass::kSubjectPronoun) return -1;
  return static_cast<int>(pronouns_.at(vocabulary_.words()[piece.token]));
}

int SentenceReading::subject_before(std::span<const Piece> pieces, std::size_t at) const {
  while (at-- > 0) {
    for (const char* border : {".", ":", "->", ",", "?"}) {
      if (is(pieces[at], border)) return -1;
    }
    if (const int person = person_of(pieces[at]); person >= 0) return person;
  }
  return -1;
}

// The nearest pronoun or noun before the verb, behind it (questions), before the gap or bracket (answers of drills), or
// the person that is asked for.
int SentenceReading::subject(std::span<const Piece> pieces, std::size_t at) const {
  if (const int person = subject_before(pieces, at); person >= 0) return person;
  std::size_t mark = 0;
  while (mark < pieces.size() && !is(pieces[mark], "->")) ++mark;
  if (mark < at) {
    for (std::size_t i = 0; i < mark; ++i) {
      if (is(pieces[i], "___") || is(pieces[i], "(")) return subject_before(pieces, i);
      if (pieces[i].token_class == TokenClass::kPersonTag) {
        return static_cast<int>(pronouns_.at(vocabulary_.words()[pieces[i].token]));
      }
    }
    if (is(pieces[0], "responde")) {
      for (std::size_t i = 0; i < mark; ++i) {
        if (is(pieces[i], "tú")) return static_cast<int>(Person::kFirst);
        if (is(pieces[i], "yo")) return static_cast<int>(Person::kSecond);
        if (is(pieces[i], "vosotros")) return static_cast<int>(Person::kFirstPlural);
        if (is(pieces[i], "nosotros")) return static_cast<int>(Person::kSecondPlural);
        if (const int person = person_of(pieces[i]); person >= 0) return person;
      }
    }
  }
  for (std::size_t i = at + 1; i < pieces.size(); ++i) {
    if (const int person = person_of(pieces[i]); person >= 0) return person;
  }
  return -1;
}

std::set<Triple> SentenceReading::triples(std::span<const Piece> pieces) const {
  std::set<Triple> found;
  if (is(pieces[0], "parts")) return found;
  const auto add = [&](std::size_t at, Tense tense, int person) {
    const auto entry = forms_.find({vocabulary_.words()[pieces[at].token], tense});
    if (entry == forms_.end()) return;
    std::set<Person> possible;
    for (const auto& [verb, form_person] : entry->second) possible.insert(form_person);
    // A Spanish ending may tell the person where no subject stands.
    if (possible.size() == 1) person = static_cast<int>(*possible.begin());
    for (const auto& [verb, form_person] : entry->second) {
      if (static_cast<int>(form_person) == person) found.insert({verb, form_person, tense});
    }
  };
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    switch (pieces[i].token_class) {
      case TokenClass::kVerbPresent:
        add(i, Tense::kPresent, subject(pieces, i));
        break;
      case TokenClass::kVerbPast:
        add(i, Tense::kPast, subject(pieces, i));
        break;
      case TokenClass::kVerbImperfect:
        add(i, Tense::kImperfect, subject(pieces, i));
        break;
      case TokenClass::kVerbFuture:
        add(i, Tense::kFuture, subject(pieces, i));
        break;
      case TokenClass::kVerbParticiple:
        add(i, Tense::kPerfect, subject(pieces, i));
        break;
      case TokenClass::kVerbInfinitive:
        // An English infinitive is finite by its auxiliary: "will walk", "did she walk", "does not walk".
        for (std::size_t back = i; back-- > 0;) {
          if (pieces[back].token_class == TokenClass::kMark || is(pieces[back], "(") || is(pieces[back], ":")) break;
          const bool is_aux = pieces[back].token_class == TokenClass::kAuxiliary;
          if (!is_aux) continue;
          const std::string& word = vocabulary_.words()[pieces[back].token];
          const int person = subject(pieces, i);
          if (word == "will") add(i, Tense::kFuture, person);
          // The base stands for the finite form.
          if (word == "did" || word == "do" || word == "does") {
            const std::string verb = "to " + vocabulary_.words()[pieces[i].token];
            if (person >= 0)
              found.insert({verb, static_cast<Person>(person), word == "did" ? Tense::kPast : Tense::kPresent});
          }
          break;
        }
        break;
      default:
        break;
    }
  }
  return found;
}

}  // namespace minimoe::grammar
