// SPDX-License-Identifier: Apache-2.0
#include "data/grammar/english_forms.hpp"

namespace minimoe::grammar {
namespace {

using enum TokenClass;

bool is_be(const EnglishVerb& verb) { return std::string_view(verb.base) == "be"; }
bool is_third(Person person) { return person == Person::kThird; }

// The finite auxiliary that a question or a negation needs; for be the verb itself.
Words auxiliary(const EnglishVerb& verb, Tense tense, Person person) {
  if (tense == Tense::kFuture) return {{"will", kAuxiliary}};
  if (tense == Tense::kPerfect) return {{is_third(person) ? "has" : "have", kAuxiliary}};
  if (is_be(verb)) {
    return {{english_form(verb, tense, person), tense == Tense::kPast ? kVerbPast : kVerbPresent}};
  }
  if (tense == Tense::kPast) return {{"did", kAuxiliary}};
  return {{is_third(person) ? "does" : "do", kAuxiliary}};
}

Words join(Words first, const Words& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

Words english_plain(const EnglishVerb& verb, Tense tense, Person person) {
  if (tense == Tense::kPresent) return {{english_form(verb, tense, person), kVerbPresent}};
  if (tense == Tense::kPast) return {{english_form(verb, tense, person), kVerbPast}};
  return join(auxiliary(verb, tense, person), english_question_rest(verb, tense, person));
}

Words english_negative(const EnglishVerb& verb, Tense tense, Person person) {
  return join(join(auxiliary(verb, tense, person), {{"not", kNegation}}), english_question_rest(verb, tense, person));
}

Words english_question_auxiliary(const EnglishVerb& verb, Tense tense, Person person) {
  return auxiliary(verb, tense, person);
}

Words english_question_rest(const EnglishVerb& verb, Tense tense, Person) {
  if (tense == Tense::kPerfect) return {{english_participle(verb), kVerbParticiple}};
  if (is_be(verb) && tense != Tense::kFuture) return {};
  return {{verb.base, kVerbInfinitive}};
}

std::vector<Words> english_disagreements(const EnglishVerb& verb, Tense tense, Person person) {
  std::vector<Words> wrong;
  const auto offer = [&](const std::string& word) {
    const bool is_right_somewhere =
        word == english_form(verb, Tense::kPresent, person) || word == english_form(verb, Tense::kPast, person);
    if (!is_right_somewhere) wrong.push_back({{word, kWrongForm}});
  };
  if (tense == Tense::kPerfect) {
    wrong.push_back({{is_third(person) ? "have" : "has", kWrongForm}, {english_participle(verb), kVerbParticiple}});
  } else if (tense == Tense::kPresent) {
    if (is_be(verb) && person != Person::kFirst) offer("am");
    if (person == Person::kFirst && is_be(verb)) offer("are");
    offer(english_form(verb, tense, is_third(person) ? Person::kThirdPlural : Person::kThird));
  } else if (tense == Tense::kPast && is_be(verb)) {
    offer(english_form(verb, tense, is_third(person) || person == Person::kFirst ? Person::kSecond : Person::kThird));
  }
  return wrong;
}

std::vector<Words> english_wrong_negatives(const EnglishVerb& verb, Tense tense, Person person) {
  const std::string past = english_past(verb);
  if (is_be(verb)) return {};
  if (tense == Tense::kPast && past != verb.base) {
    return {{{"did", kAuxiliary}, {"not", kNegation}, {past, kWrongForm}}};
  }
  if (tense != Tense::kPresent) return {};
  if (!is_third(person)) return {{{"does", kWrongForm}, {"not", kNegation}, {verb.base, kVerbInfinitive}}};
  return {{{"do", kWrongForm}, {"not", kNegation}, {verb.base, kVerbInfinitive}},
          {{"does", kAuxiliary}, {"not", kNegation}, {english_third_person(verb), kWrongForm}}};
}

std::vector<Words> english_wrong_rests(const EnglishVerb& verb, Tense tense, Person person) {
  const std::string past = english_past(verb);
  if (is_be(verb)) return {};
  if (tense == Tense::kPast && past != verb.base) return {{{past, kWrongForm}}};
  if (tense == Tense::kPresent && is_third(person)) return {{{english_third_person(verb), kWrongForm}}};
  return {};
}

}  // namespace minimoe::grammar
