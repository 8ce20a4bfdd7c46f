// SPDX-License-Identifier: Apache-2.0
// A probabilistic grammar of finite choices: one structure that is sampled, scored and enumerated.
//
// A sentence is a template (drawn by weight) whose steps run in order. A draw binds a variable to a value from a
// distribution that may depend on one earlier variable; a say appends the phrase of a bound variable, or a fixed one.
// Probabilities are ratios of integer weights, so every machine draws the same sentences.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/grammar/vocabulary.hpp"
#include "minimoe/core/random.hpp"

namespace minimoe::grammar {

struct Step {
  enum class Kind : std::uint8_t {
    kDraw,       ///< variable <- distribution `id`
    kDrawGiven,  ///< variable <- distribution table[id][value of parent]
    kSay,        ///< phrase `id`
    kSayValue,   ///< phrase numbered by the variable's value
    kSayMapped,  ///< phrase table[id][value of variable]
  };
  Kind kind = Kind::kSay;
  std::uint8_t variable = 0;
  std::uint8_t parent = 0;
  std::uint32_t id = 0;
};

struct Template {
  std::string kind;          ///< the drill, e.g. "conjugation"
  std::uint32_t weight = 1;  ///< relative probability of the template
  bool is_probe = false;     ///< the words before -> determine those after it
  std::vector<Step> steps;
};

class Grammar {
 public:
  static constexpr std::size_t kMaxVariables = 8;
  static constexpr std::uint32_t kNothing = 0;               ///< the empty phrase
  using Weighted = std::pair<std::uint32_t, std::uint32_t>;  ///< value, weight

  Grammar();

  /// Equal phrases get equal numbers.
  std::uint32_t add_phrase(std::span<const Piece> pieces);
  /// Options of weight 0 are left out. @throws Error(kInternal) when nothing is left.
  std::uint32_t add_distribution(std::span<const Weighted> options);
  /// A map from a variable's value to a phrase or a distribution.
  std::uint32_t add_table(std::vector<std::uint32_t> table);
  /// The last step must say a phrase that ends with Vocabulary::kEnd; no other phrase may hold it.
  void add_template(Template entry);

  const std::vector<Template>& templates() const { return templates_; }
  std::span<const Piece> phrase(std::uint32_t id) const;

  /// Sentence `index` of `stream`; returns the number of its template.
  std::size_t sample(const RandomStream& stream, std::uint64_t index, std::vector<Piece>& pieces) const;
  /// The same, phrase by phrase: say(span of pieces).
  template <class Say>
  std::size_t sample_phrases(const RandomStream& stream, std::uint64_t index, Say&& say) const;

  /// One way to make a sentence.
  struct Derivation {
    std::size_t template_index;
    std::span<const Piece> pieces;
    double probability;
  };
  /// Calls `visit` for every derivation: feasible for small grammars, minutes of patience for none.
  void enumerate(const std::function<void(const Derivation&)>& visit) const;

  std::size_t memory_bytes() const;

 private:
  friend class Reader;

  // Draws of one sentence; its random numbers are those at [index * kMaxDraws, (index + 1) * kMaxDraws).
  static constexpr std::uint64_t kMaxDraws = 16;

  struct Options {
    std::vector<std::uint32_t> values;
    std::vector<std::uint32_t> cumulative;  ///< cumulative[i] = weights of values[0..i]
    std::uint64_t total() const { return cumulative.back(); }
    double probability(std::size_t i) const;
  };

  std::uint32_t distribution_of(const Step& step, const std::uint32_t* values) const;
  std::uint32_t phrase_of(const Step& step, const std::uint32_t* values) const;

  std::vector<Piece> pieces_;
  std::vector<std::uint32_t> phrase_begin_;
  std::unordered_map<std::string, std::uint32_t> phrase_ids_;
  std::vector<Options> distributions_;
  std::vector<std::vector<std::uint32_t>> tables_;
  std::vector<Template> templates_;
  Options template_choice_;
};

template <class Say>
std::size_t Grammar::sample_phrases(const RandomStream& stream, std::uint64_t index, Say&& say) const {
  std::uint64_t draw = index * kMaxDraws;
  const auto choose = [&](const Options& options) {
    const std::uint64_t at = stream.below(draw++, options.total());
    const auto chosen = std::upper_bound(options.cumulative.begin(), options.cumulative.end(), at);
    return options.values[static_cast<std::size_t>(chosen - options.cumulative.begin())];
  };
  std::array<std::uint32_t, kMaxVariables> values{};
  const std::size_t template_index = choose(template_choice_);
  for (const Step& step : templates_[template_index].steps) {
    if (step.kind == Step::Kind::kDraw || step.kind == Step::Kind::kDrawGiven) {
      values[step.variable] = choose(distributions_[distribution_of(step, values.data())]);
    } else {
      say(phrase(phrase_of(step, values.data())));
    }
  }
  return template_index;
}

/// Reads sentences of a grammar word by word and knows the probability of the next one: all choices that agree with
/// the words so far are kept with their weights, so that a string with several derivations gets their sum.
class Reader {
 public:
  explicit Reader(const Grammar& grammar) : grammar_(&grammar) {}

  /// p(token | words since the last sentence end); 0 when the grammar cannot continue so (the reader is then stuck).
  double advance(std::uint16_t token);

 private:
  struct Hypothesis {
    double weight;
    std::uint16_t template_index;
    std::uint16_t step;
    std::uint16_t offset;
    std::array<std::uint32_t, Grammar::kMaxVariables> values;
  };
  void match(Hypothesis& hypothesis, std::uint16_t token);

  const Grammar* grammar_;
  bool at_start_ = true;
  std::vector<Hypothesis> live_;
  std::vector<Hypothesis> next_;
};

}  // namespace minimoe::grammar
