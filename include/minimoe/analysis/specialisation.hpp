// SPDX-License-Identifier: Apache-2.0
// What decides where a token goes: its class, its word form, or neither; with the controls that tell these apart.
#pragma once

#include <span>
#include <string>

#include "minimoe/analysis/routing_trace.hpp"

namespace minimoe {

struct SpecialisationOptions {
  std::uint64_t seed = 0;              ///< of all draws; they do not depend on the number of threads
  std::size_t num_permutations = 199;  ///< shuffled labels; the smallest p-value is 1 / (1 + this)
  std::size_t num_bootstrap = 200;     ///< resamples of the windows, for the interval
  std::size_t num_tables = 20;         ///< random token-to-expert tables
  std::size_t num_routers = 8;         ///< fresh routers on the trained body
  std::size_t num_word_shuffles = 20;  ///< shuffles among the occurrences of a word
  std::size_t min_class_tokens = 100;  ///< a class with fewer tokens is marked: its shares say little
};

/// The choices of one MoE layer over T tokens, with everything that may explain them.
struct RoutedTokens {
  std::span<const std::int32_t> words;     ///< [T] token ids: a word form each
  std::span<const std::uint8_t> classes;   ///< [T] below class_names.size()
  std::span<const std::uint32_t> windows;  ///< [T] which window a token stands in; tokens of a window are adjacent
  std::span<const std::int32_t> experts;   ///< [T, K] distinct in a row, below num_experts
  std::size_t num_experts = 0, top_k = 0;
  std::vector<std::string> class_names;
  bool classes_are_frequencies = false;  ///< there are no classes: `classes` are buckets of word frequency
  /// [T, K] each: what routers that know nothing choose on the same hidden states; may be empty.
  std::vector<std::vector<std::int32_t>> random_routers = {};
};

/// What the p-value of the shuffled labels must not exceed.
inline constexpr double kSignificance = 0.01;

/// Of the draws of a control; their NMI is counted as the layer's is, so small samples raise both alike.
struct ControlValues {
  std::size_t num_draws = 0;
  double mean = 0, std = 0, max = 0;  ///< std: of a sample
};

struct GroupShares {
  std::string name;
  std::int64_t count = 0;     ///< tokens
  bool enough = false;        ///< at least min_class_tokens
  std::vector<double> share;  ///< [E] of the group's assignments, those to each expert; zeros for an empty group
  std::vector<double> lift;   ///< [E] share over the expert's share of all assignments; 1: as everybody
};

enum class Conclusion {
  kClass,       ///< experts divide by class
  kWordForm,    ///< experts divide by word form; class says no more
  kRandomLike,  ///< no more related to classes than a router that knows nothing
  kNone,        ///< no division that the data show
  kUndecided,   ///< too few permutations to tell kNone or kWordForm from the others
};
/// "class", "word-form", "random-like", "none", "undecided"
const char* conclusion_name(Conclusion conclusion);

/// What one MoE layer's experts divide by. Every assignment counts 1/K, so a token with K experts counts as one: the
/// expert of a token is a draw among its K, and shares, entropies and NMI are those of this draw.
struct LayerSpecialisation {
  std::size_t block = 0, num_experts = 0, top_k = 0;
  std::vector<std::int64_t> histogram;               ///< [E] assignments
  std::vector<std::vector<std::int64_t>> by_choice;  ///< [K][E] those of first, second, ... choice
  std::vector<GroupShares> classes;
  std::vector<GroupShares> frequencies;  ///< tokens by how often their word form occurs here

  /// I(expert; class) / ((H(expert) + H(class)) / 2), plug-in, as scikit-learn's normalized_mutual_info_score; 0 when
  /// either entropy is 0. The interval: 95 % of num_bootstrap resamples of whole windows (tokens of one are not
  /// independent), moved so that the resamples' mean is the value, since resampling repeats the small-sample bias.
  double nmi = 0, nmi_low = 0, nmi_high = 0;
  /// The NMI of a router that a class alone decides would be at most this; below 1 when K > 1 or E and the number of
  /// classes differ.
  double nmi_ceiling = 0;

  ControlValues shuffled_labels;  ///< classes permuted over all tokens
  double p_value = 1;             ///< (1 + shuffles that reach the NMI) / (1 + shuffles)
  double least_p_value() const { return 1 / (1 + static_cast<double>(shuffled_labels.num_draws)); }
  /// Whether p can reach kSignificance at all.
  bool is_decidable() const { return least_p_value() <= kSignificance; }
  ControlValues random_table;  ///< each word form has K experts drawn for it
  ControlValues random_router;
  ControlValues within_word_shuffle;  ///< experts permuted among the occurrences of each word form

  /// Shares of the expert's entropy, (H(e) - H(e | .)) / (H(e) - ln K): 1 when the set of K experts follows, 0 when
  /// nothing does. Cross-validated: windows in five parts, each predicted from the other four (counts smoothed towards
  /// the marginal, by as much as leaving tokens out advises), so rare words do not explain themselves; a lower bound.
  double word_explains = 0, class_explains = 0;
  double class_beyond_word = 0;  ///< by word and class, less word_explains; at least 0
  /// H(class | word) / H(class), plug-in: 0 when the word form tells the class, and the two cannot be told apart.
  double class_given_word = 0;

  Conclusion conclusion = Conclusion::kNone;
  std::string text;  ///< one or two sentences
};

/// @throws Error(kInvalidArgument | kShape) for arrays that do not fit each other, fewer than 2 windows, or options out
/// of range; Error(kCancelled) between draws.
LayerSpecialisation specialisation(const RoutedTokens& tokens, const SpecialisationOptions& options,
                                   const CancelFlag* cancel = nullptr);

struct SpecialisationReport {
  std::string corpus, split;
  std::uint64_t num_windows = 0, num_tokens = 0;
  bool by_frequency = false;  ///< the corpus has no classes
  std::vector<std::string> class_names;
  SpecialisationOptions options;
  std::vector<LayerSpecialisation> layers;
};

/// Routes a split and looks at every MoE layer of a trained model. The random routers: fresh normal weights by (seed,
/// name, index) on the layer's own inputs, without bias and expert_bias; each expert's logits are shifted and scaled to
/// mean 0 and variance 1 over the split, so that no expert is ahead, whatever the trained logits' size is.
/// A source without classes is divided by the frequency of its word forms instead. @throws Error as trace_routing.
template <class T>
SpecialisationReport model_specialisation(Exec& exec, const MiniGPT<T>& model, const TokenSource& source,
                                          const WindowChoice& choice, const SpecialisationOptions& options,
                                          const CancelFlag* cancel = nullptr, MemoryResource* resource = nullptr);

/// The report as JSON, and as `text` what a terminal shows.
std::string specialisation_json(const SpecialisationReport& report);
std::string specialisation_text(const SpecialisationReport& report);

}  // namespace minimoe
