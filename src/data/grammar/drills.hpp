// SPDX-License-Identifier: Apache-2.0
// The drills and sentences of both languages.
#pragma once

#include <cstdint>
#include <vector>

#include "data/grammar/cell.hpp"
#include "data/grammar/grammar.hpp"
#include "data/grammar/vocabulary.hpp"

namespace minimoe::grammar {

/// Which split may show which cell, of the most frequent `max_verbs` verbs (0: all).
std::vector<CellUse> english_cell_uses(std::size_t max_verbs = 0);
std::vector<CellUse> spanish_cell_uses(std::size_t max_verbs = 0);

/// Adds the templates whose cells have one of the uses in the mask `targets`: kShown gives all of train and val; a
/// held-out use gives the drills that ask for such a cell, and nothing else. Words are numbered as they come up, so
/// grammars that share a vocabulary must be made in the same order.
void add_english(Grammar& grammar, Vocabulary& vocabulary, unsigned targets, std::size_t max_verbs = 0);
void add_spanish(Grammar& grammar, Vocabulary& vocabulary, unsigned targets, std::size_t max_verbs = 0);

/// Weight of a verb of that rank: a long tail, as in real text.
inline std::uint32_t verb_weight(std::size_t rank) { return static_cast<std::uint32_t>(10 + 1200 / (rank + 8)); }

}  // namespace minimoe::grammar
