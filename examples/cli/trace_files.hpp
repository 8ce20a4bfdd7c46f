// SPDX-License-Identifier: Apache-2.0
// Where every token of a split was sent, as lines for other programs.
#pragma once

#include <string>

#include "library.hpp"

namespace cli {

struct TraceRequest {
  std::string split;
  std::uint64_t num_windows = 0;
  std::size_t seq_len = 0, batch_size = 0;  ///< drops depend on the batch
  std::uint64_t seed = 0;                   ///< of the training windows
};

/// One line for each token and MoE layer, in both: token (its text), id, class (null or empty where there are none),
/// window, position, block, experts, weights, kept.
struct TraceFiles {
  std::string jsonl;
  std::string csv;  ///< with a head line; lists are joined by ";", texts quoted
};

/// @throws Failure.
TraceFiles trace_files(const capi::Model& model, const capi::Dataset& dataset, const TraceRequest& request);

}  // namespace cli
