// SPDX-License-Identifier: Apache-2.0
// Loss, perplexity, probes and expert loads of the evaluation splits, as JSON.
#pragma once

#include "json_text.hpp"
#include "library.hpp"

namespace cli {

struct EvaluationSize {
  std::uint64_t max_windows = 0;  ///< 0: all of a split
  std::size_t max_probes = 500;
};

/// {"max_windows", "max_probes"}
Json evaluation_json(const EvaluationSize& size);

/// The evaluation splits that `dataset` has at this length, "val" first.
std::vector<std::string> evaluation_splits(const capi::Dataset& dataset, std::size_t seq_len);

/// {"train": nats, "val": ...}, null where unknown. Each over as many windows as evaluate_split looks at.
Json entropy_floors(const capi::Dataset& dataset, std::size_t seq_len, std::uint64_t max_windows);

/// {"loss", "perplexity", "entropy_floor", "windows", "targets", "probes": {...} or null, "layers": [...]}
Json evaluate_split(capi::Trainer& trainer, const capi::Model& model, const capi::Dataset& dataset,
                    const std::string& split, const EvaluationSize& size, const Json& floors);

/// {"block", "load", "load_share", "load_balance_stddev", "experts_dead_count", "experts_cold_count", "mean_probs",
/// "gate_weight_share"}
Json load_summary(const LayerRouting& layer);

}  // namespace cli
