// SPDX-License-Identifier: Apache-2.0
// The embedded grammar-tutor corpus: drills on English and Spanish grammar, generated, with known probabilities.
#pragma once

#include "minimoe/data/token_source.hpp"

namespace minimoe {

struct GrammarCorpusOptions {
  bool english = true;                      ///< generate English drills
  bool spanish = true;                      ///< generate Spanish drills
  std::uint64_t num_eval_sentences = 4000;  ///< sentences of each evaluation split
  std::size_t max_verbs = 0;  ///< only the most frequent verbs of each language, for a smaller vocabulary; 0: all
};

/// A sentence with its end token.
struct GrammarSentence {
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> classes;
  std::string kind;  ///< "statement" or the drill: "conjugation", "transformation", "negation", "question", "cloze",
                     ///< "correction", "agreement"
};

/// Sentences are independent draws from one distribution per split: train and val share theirs; the held-out splits
/// have only drills that ask for a held-out form. Held-out verbs are regular and never stand in the past in train or
/// val; held-out combinations are triples of verb, person and tense. All held-out answers consist of words that train
/// shows in other roles ("have walked" for "walked", "él cantaba" for "yo cantaba"), so they can be answered by rule.
class GrammarCorpus : public TokenSource {
 public:
  /// Sentence `index` of a split, whatever was drawn before. Train has 2^60 of them for every seed; its window w begins
  /// with sentence w * 2^20. Evaluation splits ignore the seed and have num_eval_sentences (none where max_verbs
  /// leaves nothing to hold out). @throws
  /// Error(kInvalidArgument)
  virtual GrammarSentence sentence(Split split, std::uint64_t index, std::uint64_t seed = 0) const = 0;

  /// ln of the probability of the tokens, which begin a sentence and may hold several and end within one, under the
  /// split's distribution; minus infinity when it cannot generate them.
  virtual double log_probability(Split split, std::span<const std::int32_t> tokens) const = 0;
};

/// The corpus as a TokenSource with entropy_floor, classes and probes.
///
/// Its entropy floor is that of the split's own distribution (a model trained on train cannot know that a held-out
/// split asks for held-out forms only, so there the floor is below what it can reach). A probe's answer includes the
/// token that ends the sentence. Text is split at white space and around . , ? : ( ) and a line feed ends a sentence.
/// sha256() is over all words in order, the class names, the first 10,000 training sentences of seed 0 and all
/// sentences of the evaluation splits, each with its classes.
/// @throws Error(kInvalidArgument) when no language is chosen or num_eval_sentences is 0 or above 2^32.
std::unique_ptr<GrammarCorpus> make_grammar_corpus(const GrammarCorpusOptions& options = {});

}  // namespace minimoe
