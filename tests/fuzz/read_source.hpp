// SPDX-License-Identifier: Apache-2.0
// Any bytes at all as a corpus: an Error, or a source whose tokens are all below its vocabulary and have a text.
#pragma once

#include <cstdlib>

#include "fuzz_file.hpp"
#include "minimoe/data/file_source.hpp"

namespace minimoe_fuzz {

inline void read_source(const std::uint8_t* data, std::size_t size, const minimoe::FileSourceOptions& options) {
  static const FuzzFile input;
  input.write(data, size);
  try {
    const auto source = minimoe::open_file_source(input.path(), options);
    for (const minimoe::Split split : {minimoe::Split::kTrain, minimoe::Split::kVal}) {
      for (std::uint64_t i = 0; i < source->num_eval_windows(split, 1); ++i) {
        std::int32_t window[2];
        source->eval_window(split, i, window, {});
        if (source->token_text(window[0]).empty() || source->token_text(window[1]).empty()) std::abort();
        source->decode(window);
      }
    }
  } catch (const minimoe::Error&) {
  }
}

}  // namespace minimoe_fuzz
