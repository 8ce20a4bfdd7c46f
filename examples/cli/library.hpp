// SPDX-License-Identifier: Apache-2.0
// The library as the program sees it: minimoe.hpp, and its JSON documents as values.
#pragma once

#include <minimoe.hpp>

#include "json_text.hpp"

namespace cli {

namespace capi = minimoe::capi;

/// What one router did in a step or an evaluation.
struct LayerRouting {
  std::size_t block = 0;
  std::vector<std::int64_t> load, dropped;
  std::vector<double> mean_probs;         ///< P_e
  std::vector<double> gate_weight_share;  ///< of all combine weights, that of each expert; sums to 1
  double aux_loss = 0, z_loss = 0;        ///< unscaled
  double router_logit_norm = 0;           ///< root mean square over the tokens
  double bias_min = 0, bias_max = 0;      ///< of the selection bias
};

/// One entry an MoE layer. @param source MINIMOE_ROUTING_
std::vector<LayerRouting> routing_of(const capi::Trainer& trainer, std::int32_t source);

struct ProbeScore {
  std::string kind;
  std::uint64_t correct = 0, asked = 0;
  std::uint64_t skipped = 0;  ///< longer than the model's context
};

/// Exact answers of greedy decoding, one entry a kind of question; empty when the split has none.
std::vector<ProbeScore> probe_scores(const capi::Model& model, const capi::Dataset& dataset, const std::string& split,
                                     std::size_t max_count);

/// {"num_threads", "instruction_set"} in use.
Json exec_info(const capi::Model& model);

/// One token for people: a line of its own, and never empty.
std::string token_text(const capi::Dataset& dataset, std::int32_t token);

}  // namespace cli
