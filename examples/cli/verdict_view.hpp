// SPDX-License-Identifier: Apache-2.0
// health.json as words for titles.
#pragma once

#include <cstddef>
#include <string>

#include "json_text.hpp"

namespace cli {

struct LayerVerdict {
  std::string verdict = "not judged", reason;
  int rank = 0;  ///< higher is worse
};

/// The verdict on the whole router, "not judged" without one.
std::string verdict_of(const Json& health);
/// That on MoE layer `index` of `num_layers`, which stands in block `block`.
LayerVerdict layer_verdict(const Json& health, std::size_t index, std::size_t num_layers, std::size_t block);

}  // namespace cli
