// SPDX-License-Identifier: Apache-2.0
// What a capacity limit costs: who is dropped, the loss without drops, and what dropless experts wait for.
#pragma once

#include "minimoe/analysis/routing_trace.hpp"

namespace minimoe {

struct ClassDrops {
  std::string name;
  std::int64_t count = 0;    ///< tokens
  std::int64_t dropped = 0;  ///< assignments, of count * K
  bool enough = false;       ///< at least min_class_tokens
  double drop_rate = 0;      ///< dropped / (count * K)
};

struct LayerCapacity {
  std::size_t block = 0;
  std::size_t capacity = 0;             ///< slots of an expert in a whole batch
  std::int64_t num_assignments = 0;     ///< T * K
  std::int64_t num_dropped = 0;         ///< of these
  std::int64_t num_skipped_tokens = 0;  ///< tokens that lost all K assignments: the layer adds nothing to them
  std::vector<std::int64_t> load;       ///< [E] before drops
  std::vector<std::int64_t> dropped;    ///< [E]
  std::vector<double> by_position;      ///< [S] drop rate at each position of a sequence
  std::vector<double> by_row;       ///< [B] drop rate of each sequence of a batch: late ones lose by position priority
  std::vector<ClassDrops> classes;  ///< empty when the source has none
};

/// One use of the model: training windows under capacity_factor, or a split under eval_capacity_factor.
struct CapacityUse {
  std::string split;
  double capacity_factor = 0;  ///< 0: no limit, nothing is dropped
  std::uint64_t num_windows = 0, num_tokens = 0, num_batches = 0;
  double loss = 0;                ///< mean cross entropy, nats
  double loss_without_drops = 0;  ///< of the same batches with the limit lifted in every layer
  double difference = 0;          ///< loss - loss_without_drops, and its standard error over the batches (0: one batch)
  double standard_error = 0;
  std::vector<LayerCapacity> layers;
};

/// The experts of one layer on one batch without drops, each timed alone: a measurement, other on every run.
struct Straggler {
  std::size_t block = 0;
  std::size_t expert = 0;       ///< with the most rows, the lowest of those
  double row_share = 0;         ///< of all rows, those of `expert`
  double time_share = 0;        ///< of the sum of `seconds`, that of `expert`
  double slowdown = 0;          ///< max(seconds) / mean(seconds): how long experts side by side wait for the slowest
  std::vector<double> seconds;  ///< [E] the least of several
  double seconds_together = 0;  ///< of all experts in one call, as the layer does it
  double layer_seconds = 0;     ///< of the whole layer's forward: router, dispatch, experts, combine, shared experts
  double layer_time_share = 0;  ///< seconds[expert] / layer_seconds, at most 1
};

struct CapacityReport {
  std::string corpus;
  CapacityUse train, evaluation;
  std::vector<Straggler> stragglers;  ///< one per MoE layer
};

/// @param choice the evaluation split; as many training windows are looked at, the first ones of choice.seed.
/// @throws Error as trace_routing.
template <class T>
CapacityReport capacity_report(Exec& exec, const MiniGPT<T>& model, const TokenSource& source,
                               const WindowChoice& choice, std::size_t min_class_tokens = 100,
                               const CancelFlag* cancel = nullptr, MemoryResource* resource = nullptr);

/// One use alone: Split::kTrain has the capacity of training. @throws Error as trace_routing.
template <class T>
CapacityUse capacity_use(Exec& exec, const MiniGPT<T>& model, const TokenSource& source, const WindowChoice& choice,
                         std::size_t min_class_tokens = 100, const CancelFlag* cancel = nullptr,
                         MemoryResource* resource = nullptr);

/// The report as JSON, and as `text` what a terminal shows.
std::string capacity_json(const CapacityReport& report);
std::string capacity_text(const CapacityReport& report);

}  // namespace minimoe
