// SPDX-License-Identifier: Apache-2.0
// Run configurations as they come through the interface.
#pragma once

#include <minimoe/train/run_config.hpp>

#include "arguments.hpp"

namespace minimoe::capi {

/// The caller's configuration, every value and their agreement checked; an empty text is {}.
RunConfig parse_config(const char* function, const char* json, std::size_t json_len);

/// As parse_config, for what needs a model: model.vocab_size must be known.
RunConfig parse_model_config(const char* function, const char* json, std::size_t json_len);

}  // namespace minimoe::capi
