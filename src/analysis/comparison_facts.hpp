// SPDX-License-Identifier: Apache-2.0
// What findings are written from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/json_cursor.hpp"
#include "minimoe/analysis/comparison_verdict.hpp"

namespace minimoe {

struct VariantFacts {
  Spread val_loss, perplexity, cpu_time_s;
  double flops_per_token = 0;
  std::uint64_t params = 0, active_params = 0, d_ff = 0, steps = 0;
  double learning_rate = 0;
  std::optional<double> probe_accuracy;
};

/// One seed's health report, reduced to its worst layer.
struct HealthFacts {
  std::string verdict, reason;
};

/// One layer of one seed.
struct SpecialisationFacts {
  std::uint64_t block = 0;
  std::string conclusion;  ///< "class", "word-form", "random-like", "none", "undecided"
  std::string text;
  std::optional<double> nmi, shuffled, random_table, random_router, word_explains, class_beyond_word;
};

struct ComparisonFacts {
  std::size_t num_seeds = 0;
  std::uint64_t steps = 0, num_experts = 0, top_k = 0;
  std::vector<std::uint64_t> moe_blocks;
  std::string corpus;
  std::optional<double> floor;  ///< of the validation split
  double aux_loss_coef = 0;
  bool bias_balancing = false;
  VariantFacts moe, dense, active_matched, total_matched;
  std::vector<double> dead, cold;  ///< experts, by seed, on the validation windows
  double share_stddev = 0;
  std::vector<HealthFacts> health;                  ///< empty: not judged
  bool by_frequency = false;                        ///< the corpus has no classes
  std::vector<SpecialisationFacts> specialisation;  ///< seeds times layers; empty: not measured
  ComparisonVerdict verdict;
};

/// @throws Error(kInvalidArgument) with the path.
ComparisonFacts read_comparison_facts(const JsonCursor& manifest);

}  // namespace minimoe
