// SPDX-License-Identifier: Apache-2.0
// Where every token of a split was sent, as lines for other programs.
#pragma once

#include <string>

#include "atomic_file.hpp"
#include "library.hpp"

namespace cli {

struct TraceRequest {
  std::string split;
  std::uint64_t num_windows = 0;
  std::size_t seq_len = 0, batch_size = 0;  ///< drops depend on the batch
  std::uint64_t seed = 0;                   ///< of the training windows
};

/// Writes one line for each token and MoE layer to both: token (its text), id, class (null or empty where there are
/// none), window, position, block, experts, weights, kept. `csv` has a head line; its lists are joined by ";", its
/// texts quoted. Batch by batch. @return false when an interrupt came between batches. @throws Failure, BadInput.
bool write_trace(const capi::Model& model, const capi::Dataset& dataset, const TraceRequest& request, AtomicFile& jsonl,
                 AtomicFile& csv);

}  // namespace cli
