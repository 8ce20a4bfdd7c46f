// SPDX-License-Identifier: Apache-2.0
// The program's JSON type, and its way to text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace cli {

using Json = nlohmann::ordered_json;

/// Never throws for bytes that are not UTF-8 (a byte-level model may sample them): they become U+FFFD.
inline std::string json_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace cli
