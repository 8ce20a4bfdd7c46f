// SPDX-License-Identifier: Apache-2.0
// The unit that drills are about: a verb in a tense and a person, and which split may show it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace minimoe::grammar {

enum class Tense : std::uint8_t { kPresent, kPast, kImperfect, kFuture, kPerfect };
/// Grammatical persons; English has no kSecondPlural of its own.
enum class Person : std::uint8_t { kFirst, kSecond, kThird, kFirstPlural, kSecondPlural, kThirdPlural };
constexpr std::size_t kNumTenses = 5;
constexpr std::size_t kNumPersons = 6;

struct Cell {
  std::size_t verb;
  Tense tense;
  Person person;

  std::size_t index() const {
    return (verb * kNumTenses + static_cast<std::size_t>(tense)) * kNumPersons + static_cast<std::size_t>(person);
  }
  static Cell at(std::size_t index) {
    return {index / kNumPersons / kNumTenses, static_cast<Tense>(index / kNumPersons % kNumTenses),
            static_cast<Person>(index % kNumPersons)};
  }
  Cell with(Person other) const { return {verb, tense, other}; }
  Cell with(Tense other) const { return {verb, other, person}; }
};

/// Where a cell may stand; flags, so that a set of uses is a mask.
enum CellUse : std::uint8_t {
  kUnused = 0,              ///< nowhere: no such cell, or a form that no training sentence could teach
  kShown = 1,               ///< train, val
  kHeldOutVerb = 2,         ///< the past of a held-out verb
  kHeldOutCombination = 4,  ///< a held-out triple of verb, person and tense
};

/// Chooses the held-out triples among shown cells, always the same ones: `forms[i]` is what cell i says (empty:
/// nothing). Only a form that a shown cell of the same verb shares is held out, so that no word is new to a reader of
/// the training sentences. `one_in` cells that qualify are taken on average by one.
void hold_out_combinations(std::vector<CellUse>& uses, const std::vector<std::string>& forms, std::uint64_t one_in,
                           const char* stream_name);

}  // namespace minimoe::grammar
