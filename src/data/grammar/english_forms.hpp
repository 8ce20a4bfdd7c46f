// SPDX-License-Identifier: Apache-2.0
// What an English verb says in a cell: plain, negated, asked, and wrongly.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "data/grammar/cell.hpp"
#include "data/grammar/english_verbs.hpp"
#include "data/grammar/vocabulary.hpp"

namespace minimoe::grammar {

using Words = std::vector<std::pair<std::string, TokenClass>>;

/// "walks", "will walk", "has walked"
Words english_plain(const EnglishVerb& verb, Tense tense, Person person);
/// "does not walk", "is not"
Words english_negative(const EnglishVerb& verb, Tense tense, Person person);
/// What stands before the subject of a question: "does", "will", "is".
Words english_question_auxiliary(const EnglishVerb& verb, Tense tense, Person person);
/// What stands behind it: "walk"; nothing for "is".
Words english_question_rest(const EnglishVerb& verb, Tense tense, Person person);

/// Plain forms of the tense that do not agree with the person: "walk" for she; only words that are wrong in every
/// tense.
std::vector<Words> english_disagreements(const EnglishVerb& verb, Tense tense, Person person);
/// "does not walks", "do not walk", "did not walked"
std::vector<Words> english_wrong_negatives(const EnglishVerb& verb, Tense tense, Person person);
/// "walks", "walked" after "does she", "did she"
std::vector<Words> english_wrong_rests(const EnglishVerb& verb, Tense tense, Person person);

}  // namespace minimoe::grammar
