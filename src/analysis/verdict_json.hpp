// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "minimoe/analysis/paired_statistics.hpp"

namespace minimoe {

/// {"mean", "std", "min", "max", "low", "high", "n", "values"}
std::string spread_json(const Spread& spread);

/// compare_verdict of {"moe_variant": {"val_loss": [..], "cpu_time_s": [..], any other figure: [..]},
/// "dense_baseline": .., "dense_active_matched": .., "dense_total_matched": ..}, as JSON.
/// @throws Error(kInvalidArgument), its message beginning with `where` and naming the path.
std::string compare_verdict_json(std::string_view json, const std::string& where);

}  // namespace minimoe
