// SPDX-License-Identifier: Apache-2.0
// specialisation.json as values that can be drawn.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "json_text.hpp"

namespace cli {

struct ClassRow {
  std::string name;
  double count = 0;           ///< tokens
  bool enough = true;         ///< false: too few tokens to say anything
  std::vector<double> share;  ///< [expert] of the class's assignments
};

/// A point with what it may as well have been: a bootstrap interval; of a control, from one standard deviation below
/// the mean of its draws to the largest of them.
struct Measured {
  std::string name;
  double low = 0, value = 0, high = 0;
};

struct SpecialisedLayer {
  std::size_t block = 0, num_experts = 0;
  double top_k = 0;
  std::vector<double> histogram;        ///< [expert] assignments
  std::vector<ClassRow> rows;           ///< most tokens first; frequency buckets stay in their order
  std::optional<Measured> information;  ///< normalised mutual information of expert and class
  std::vector<Measured> controls;       ///< the same figure where nothing can have been learnt
  std::optional<double> p_value;        ///< of the shuffled labels
  std::optional<double> word_explains, class_beyond_word;
  std::string conclusion, text;
};

struct SpecialisationView {
  std::string corpus, split, text;
  double num_tokens = 0;
  bool by_frequency = false;
  std::vector<SpecialisedLayer> layers;
};

/// @throws BadInput that names the member, what came and what is allowed.
SpecialisationView read_specialisation(const Json& specialisation);

}  // namespace cli
