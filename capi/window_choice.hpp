// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <minimoe/analysis/routing_trace.hpp>
#include <minimoe/train/run_config.hpp>

#include "json_options.hpp"

namespace minimoe::capi {

/// Key "max_windows", with the sequence length, batch size and seed that the model was trained with.
inline WindowChoice parse_window_choice(JsonOptions& read, Split split, const RunConfig& config) {
  WindowChoice choice;
  choice.split = split;
  choice.seed = config.train.seed;
  choice.seq_len = config.train.seq_len;
  choice.batch_size = config.train.batch_size;
  read.integer("max_windows", choice.max_windows, 0, std::uint64_t{1} << 40);
  return choice;
}

/// Runs `body`; what it refuses is refused in the name of `function`.
template <class Body>
void in_the_name_of(const char* function, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    throw Error(error.code(), concat(function, ": ", error.what()));
  }
}

}  // namespace minimoe::capi
