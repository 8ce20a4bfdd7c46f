// SPDX-License-Identifier: Apache-2.0
// One layer over time: windows, and what only their order shows.
#pragma once

#include "minimoe/analysis/health.hpp"

namespace minimoe {

/// Without advice.
LayerHealth check_layer(const RouterLayerLog& log, const HealthOptions& options);

/// What to try, in order, by what the figures say.
std::vector<std::string> health_advice(const LayerHealth& layer, const HealthOptions& options);

}  // namespace minimoe
