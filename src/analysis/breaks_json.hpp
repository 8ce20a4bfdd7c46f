// SPDX-License-Identifier: Apache-2.0
// How a break's configurations differ, as JSON and as a diff.
#pragma once

#include "core/json_writer.hpp"
#include "minimoe/analysis/router_breaks.hpp"

namespace minimoe {

/// "change": {"key", "healthy", "broken"}, "fix": [{"key", "broken", "fixed"}]
void write_break_changes(JsonWriter& object, const RouterBreak& definition);
/// "hidden_cause", "hint_1", "hint_2", "hint_3", "fix_diff"
void write_break_cause(JsonWriter& object, const RouterBreak& definition);

}  // namespace minimoe
