// SPDX-License-Identifier: Apache-2.0
// Where every token of a split was sent, layer by layer.
#pragma once

#include "minimoe/core/cancel.hpp"
#include "minimoe/data/token_source.hpp"
#include "minimoe/model/minigpt.hpp"

namespace minimoe {

/// The windows of a source that a model is looked at with.
struct WindowChoice {
  Split split = Split::kVal;
  std::uint64_t max_windows = 500;  ///< the first ones; 0: all. Split::kTrain has no end: 1 or more
  std::uint64_t seed = 36000;       ///< of the windows of Split::kTrain
  std::size_t seq_len = 64;         ///< S
  std::size_t batch_size = 16;      ///< B; under a capacity the neighbours in a batch decide about drops
};

struct LayerTrace {
  std::size_t block = 0;
  std::size_t num_experts = 0;        ///< E
  std::size_t top_k = 0;              ///< K
  std::vector<std::int32_t> experts;  ///< [T, K], by descending biased score
  std::vector<float> weights;         ///< [T, K] combine weights
  std::vector<std::uint8_t> kept;     ///< [T, K] 0 where capacity dropped the assignment
};

struct RoutingTrace {
  std::uint64_t num_windows = 0;
  std::vector<std::int32_t> tokens;      ///< [T]
  std::vector<std::uint8_t> classes;     ///< [T] index into the source's class_names(); empty when it has none
  std::vector<std::uint32_t> windows;    ///< [T] ascending, 0 is the first
  std::vector<std::uint32_t> positions;  ///< [T] in the window
  std::vector<LayerTrace> layers;        ///< one per MoE layer, in block order
};

/// Throws what trace_routing would refuse before it begins.
void check_analysable(const ModelConfig& model, const TokenSource& source, const WindowChoice& choice);

/// Routes the windows in batches, with the capacity of training for Split::kTrain and that of evaluation else.
/// @throws Error(kInvalidArgument) for a model without MoE layers, token ids that it does not have, or a split without
/// windows; Error(kCancelled) between batches.
template <class T>
RoutingTrace trace_routing(Exec& exec, const MiniGPT<T>& model, const TokenSource& source, const WindowChoice& choice,
                           const CancelFlag* cancel = nullptr, MemoryResource* resource = nullptr);

}  // namespace minimoe
