// SPDX-License-Identifier: Apache-2.0
// The embedded grammar-tutor corpus: drills on English and Spanish grammar, generated, with known probabilities.
#pragma once

#include "minimoe/data/token_source.hpp"

namespace minimoe {

struct GrammarCorpusOptions {
  bool english = true;                      ///< generate English drills
  bool spanish = true;                      ///< generate Spanish drills
  std::uint64_t num_eval_sentences = 4000;  ///< sentences of each evaluation split
};

/// The corpus as a TokenSource with entropy_floor, classes and probes.
/// @throws Error(kInvalidArgument) when no language is chosen or num_eval_sentences is 0.
std::unique_ptr<TokenSource> make_grammar_corpus(const GrammarCorpusOptions& options = {});

}  // namespace minimoe
