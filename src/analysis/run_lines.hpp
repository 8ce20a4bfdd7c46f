// SPDX-License-Identifier: Apache-2.0
// The lines of metrics.jsonl.
#pragma once

#include "analysis/json_cursor.hpp"
#include "analysis/router_windows.hpp"

namespace minimoe {

/// Steps that rise, losses, and what each router did; other keys are passed over. @param top_k K of the MoE layers
/// @throws Error(kInvalidArgument) with the path.
RunLines read_run_lines(const JsonCursor& lines, std::uint64_t top_k);

}  // namespace minimoe
