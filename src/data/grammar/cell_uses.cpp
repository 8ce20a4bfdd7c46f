// SPDX-License-Identifier: Apache-2.0
// Which verb, person and tense each split may show.
#include "data/grammar/drills.hpp"
#include "data/grammar/english_forms.hpp"
#include "data/grammar/spanish_verbs.hpp"

namespace minimoe::grammar {

std::vector<CellUse> english_cell_uses(std::size_t max_verbs) {
  const auto verbs = english_verbs(max_verbs);
  std::vector<CellUse> uses(verbs.size() * kNumTenses * kNumPersons, kUnused);
  std::vector<std::string> forms(uses.size());
  for (std::size_t i = 0; i < uses.size(); ++i) {
    const Cell cell = Cell::at(i);
    const EnglishVerb& verb = verbs[cell.verb];
    if (cell.tense == Tense::kImperfect || cell.person == Person::kSecondPlural) continue;
    uses[i] = cell.tense == Tense::kPast && verb.has('H') ? kHeldOutVerb : kShown;
    // be stands in sentences about nouns too, and have is an auxiliary: both are shown everywhere.
    if (std::string_view(verb.base) == "be" || std::string_view(verb.base) == "have") continue;
    for (const auto& [word, token_class] : english_plain(verb, cell.tense, cell.person)) forms[i] += word + " ";
  }
  hold_out_combinations(uses, forms, 16, "corpus.combinations.english");
  return uses;
}

std::vector<CellUse> spanish_cell_uses(std::size_t max_verbs) {
  const auto verbs = spanish_verbs(max_verbs);
  std::vector<CellUse> uses(verbs.size() * kNumTenses * kNumPersons, kUnused);
  std::vector<std::string> forms(uses.size());
  for (std::size_t i = 0; i < uses.size(); ++i) {
    const Cell cell = Cell::at(i);
    const SpanishVerb& verb = verbs[cell.verb];
    const std::string_view infinitive = verb.infinitive;
    if (cell.tense == Tense::kPerfect) continue;
    uses[i] = kShown;
    if (cell.tense == Tense::kPast && verb.has('H')) {
      // Of a verb never shown in the past only "visitamos" can be known: it is the present too.
      const bool is_known =
          spanish_form(verb, Tense::kPresent, cell.person) == spanish_form(verb, cell.tense, cell.person);
      uses[i] = is_known ? kHeldOutVerb : kUnused;
    }
    // ser and estar stand in sentences about nouns too.
    if (infinitive != "ser" && infinitive != "estar") forms[i] = spanish_form(verb, cell.tense, cell.person);
  }
  hold_out_combinations(uses, forms, 4, "corpus.combinations.spanish");
  return uses;
}

}  // namespace minimoe::grammar
