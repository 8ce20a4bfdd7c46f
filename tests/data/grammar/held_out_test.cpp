// SPDX-License-Identifier: Apache-2.0
// The held-out promises, proved over every sentence that the grammars can generate.
#include <algorithm>
#include <set>
#include <string>
#include <unordered_set>

#include "data/grammar/drills.hpp"
#include "data/grammar/english_verbs.hpp"
#include "data/grammar/spanish_verbs.hpp"
#include "support/catch.hpp"
#include "support/sentence_reading.hpp"

using namespace minimoe::grammar;

namespace {

// Both languages, made in the order of the corpus.
struct AllGrammars {
  Vocabulary vocabulary;
  Grammar shown, held_out_verbs, held_out_combinations;

  AllGrammars() {
    fill(shown, kShown);
    fill(held_out_verbs, kHeldOutVerb);
    fill(held_out_combinations, kHeldOutCombination);
  }
  void fill(Grammar& grammar, unsigned targets) {
    add_english(grammar, vocabulary, targets);
    add_spanish(grammar, vocabulary, targets);
  }
};

const AllGrammars& all_grammars() {
  static const AllGrammars grammars;
  return grammars;
}

// What the tables hold out with this use, by name.
std::set<Triple> held_out(CellUse use) {
  std::set<Triple> triples;
  const auto english = english_cell_uses();
  const auto spanish = spanish_cell_uses();
  for (std::size_t i = 0; i < english.size(); ++i) {
    const Cell cell = Cell::at(i);
    if (english[i] == use)
      triples.insert({std::string("to ") + english_verbs()[cell.verb].base, cell.person, cell.tense});
  }
  for (std::size_t i = 0; i < spanish.size(); ++i) {
    const Cell cell = Cell::at(i);
    if (spanish[i] == use) triples.insert({spanish_verbs()[cell.verb].infinitive, cell.person, cell.tense});
  }
  return triples;
}

std::string string_of(std::span<const Piece> pieces) {
  std::string text;
  for (const Piece& piece : pieces) text.append(reinterpret_cast<const char*>(&piece.token), sizeof(piece.token));
  return text;
}

// Every triple that some training sentence shows, read from words and classes.
const std::set<Triple>& shown_triples() {
  static const std::set<Triple> triples = [] {
    const SentenceReading reading(all_grammars().vocabulary);
    std::set<Triple> found;
    all_grammars().shown.enumerate([&](const Grammar::Derivation& d) { found.merge(reading.triples(d.pieces)); });
    return found;
  }();
  return triples;
}

}  // namespace

TEST_CASE("held-out verbs: no training sentence holds a past form of one", "[corpus]") {
  std::set<std::string> pasts, spanish_pasts;
  for (const EnglishVerb& verb : english_verbs()) {
    if (verb.has('H')) pasts.insert(english_past(verb));
  }
  for (const SpanishVerb& verb : spanish_verbs()) {
    for (std::size_t p = 0; p < kNumPersons && verb.has('H'); ++p) {
      spanish_pasts.insert(spanish_form(verb, Tense::kPast, static_cast<Person>(p)));
    }
  }
  REQUIRE(pasts.size() == 10);
  REQUIRE(spanish_pasts.size() == 7 * 6);
  pasts.merge(spanish_pasts);
  const AllGrammars& made = all_grammars();
  // "visitamos" is the present too, and may be offered as a wrong form of it.
  std::set<std::int32_t> presents;
  for (const SpanishVerb& verb : spanish_verbs()) {
    presents.insert(made.vocabulary.find(spanish_form(verb, Tense::kPresent, Person::kFirstPlural)));
  }
  std::size_t num_pasts = 0, num_participles = 0;
  made.shown.enumerate([&](const Grammar::Derivation& d) {
    for (const Piece& piece : d.pieces) {
      if (!pasts.contains(made.vocabulary.words()[piece.token])) continue;
      const bool is_wrong_form = piece.token_class == TokenClass::kWrongForm && !presents.contains(piece.token);
      num_pasts += piece.token_class == TokenClass::kVerbPast || is_wrong_form;
      num_participles += piece.token_class == TokenClass::kVerbParticiple;
    }
  });
  CHECK(num_pasts == 0);
  CHECK(num_participles > 1000);  // "have walked" makes "walked" a known word
}

TEST_CASE("held-out: no training sentence shows a held-out verb, person and tense, in any drill", "[corpus]") {
  const std::set<Triple> verbs = held_out(kHeldOutVerb), combinations = held_out(kHeldOutCombination);
  CHECK(verbs.size() == 10 * 5 + 7);
  CHECK(combinations.size() > 80);
  for (const Triple& triple : verbs) CHECK_FALSE(shown_triples().contains(triple));
  for (const Triple& triple : combinations) CHECK_FALSE(shown_triples().contains(triple));
  // The reading sees every other triple, so it would have seen these.
  const std::set<Triple> shown = held_out(kShown);
  CHECK(shown_triples() == shown);
}

TEST_CASE("held-out: every sentence of a held-out split is a drill about a held-out triple", "[corpus]") {
  const AllGrammars& made = all_grammars();
  const SentenceReading reading(made.vocabulary);
  for (const CellUse use : {kHeldOutVerb, kHeldOutCombination}) {
    const Grammar& grammar = use == kHeldOutVerb ? made.held_out_verbs : made.held_out_combinations;
    const std::set<Triple> wanted = held_out(use);
    std::set<Triple> met;
    std::size_t num_without = 0;
    grammar.enumerate([&](const Grammar::Derivation& d) {
      bool has_wanted = made.vocabulary.words()[d.pieces[0].token] == "parts";
      for (const Triple& triple : reading.triples(d.pieces)) {
        if (!wanted.contains(triple)) continue;
        has_wanted = true;
        met.insert(triple);
      }
      num_without += !has_wanted;
      num_without += grammar.templates()[d.template_index].kind == "statement";
    });
    CHECK(num_without == 0);
    CHECK(met == wanted);
  }
}

TEST_CASE("held-out: training generates none of the held-out sentences but knows all their words", "[corpus]") {
  const AllGrammars& made = all_grammars();
  std::unordered_set<std::string> held_out_sentences;
  std::set<std::uint16_t> held_out_words, shown_words;
  for (const Grammar* grammar : {&made.held_out_verbs, &made.held_out_combinations}) {
    grammar->enumerate([&](const Grammar::Derivation& d) {
      held_out_sentences.insert(string_of(d.pieces));
      for (const Piece& piece : d.pieces) held_out_words.insert(piece.token);
    });
  }
  std::size_t num_shared = 0;
  made.shown.enumerate([&](const Grammar::Derivation& d) {
    num_shared += held_out_sentences.contains(string_of(d.pieces));
    for (const Piece& piece : d.pieces) shown_words.insert(piece.token);
  });
  CHECK(held_out_sentences.size() > 20'000);
  CHECK(num_shared == 0);
  CHECK(std::includes(shown_words.begin(), shown_words.end(), held_out_words.begin(), held_out_words.end()));
  CHECK(shown_words.size() == made.vocabulary.words().size());
}

TEST_CASE("held-out combinations: verb, person and tense of each are shown in every pair", "[corpus]") {
  for (const Triple& held : held_out(kHeldOutCombination)) {
    bool verb_person = false, verb_tense = false, person_tense = false;
    for (const Triple& shown : shown_triples()) {
      verb_person = verb_person || (shown.verb == held.verb && shown.person == held.person);
      verb_tense = verb_tense || (shown.verb == held.verb && shown.tense == held.tense);
      person_tense = person_tense || (shown.person == held.person && shown.tense == held.tense);
    }
    INFO(held.verb << ' ' << static_cast<int>(held.person) << ' ' << static_cast<int>(held.tense));
    CHECK(verb_person);
    CHECK(verb_tense);
    CHECK(person_tense);
  }
}
