// SPDX-License-Identifier: Apache-2.0
// What `minimoe bench` times: exactly the models that the PyTorch peer of bench/ builds, on random tokens.
#pragma once

#include <string>

#include "library.hpp"

namespace cli {

/// For ConfigOptions::resolve_over. @param size "lab" or "mid"
Json bench_config(const std::string& size, bool moe);
/// The windows of eight steps, drawn once, so that no drawing is timed.
capi::Dataset random_tokens(const Json& config);

}  // namespace cli
