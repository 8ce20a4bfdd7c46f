// SPDX-License-Identifier: Apache-2.0
// A routing trace batch by batch, for those who look at the model's state on the way.
#pragma once

#include "analysis/routed_batches.hpp"

namespace minimoe {

RoutingTrace empty_trace(const ModelConfig& config, std::uint64_t num_windows);

/// Adds the batch that was routed last.
template <class T>
void append_batch(RoutingTrace& trace, const RoutedBatches<T>& batches, std::size_t seq_len);

}  // namespace minimoe
