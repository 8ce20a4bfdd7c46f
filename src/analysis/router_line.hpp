// SPDX-License-Identifier: Apache-2.0
// One line of a router log.
#pragma once

#include <string>
#include <string_view>

#include "minimoe/analysis/router_log.hpp"

namespace minimoe {

struct RouterLine {
  std::int64_t layer = 0;
  std::optional<std::int64_t> block;
  std::size_t top_k = 0;
  RouterLogEntry entry;
};

/// Checks all that a line can tell by itself. @param where names the line in messages. @throws Error(kInvalidArgument)
RouterLine read_router_line(std::string_view text, const std::string& where);

}  // namespace minimoe
