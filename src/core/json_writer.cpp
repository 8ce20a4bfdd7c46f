// SPDX-License-Identifier: Apache-2.0
#include "core/json_writer.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "minimoe/core/error.hpp"

namespace minimoe {

// Single values only: their destructors allocate nothing.
std::string json_of(std::string_view text, BadUtf8 bad) {
  using Json = nlohmann::json;
  const auto handler = bad == BadUtf8::kReplace ? Json::error_handler_t::replace : Json::error_handler_t::strict;
  try {
    return Json(text).dump(-1, ' ', false, handler);
  } catch (const Json::type_error&) {
    throw Error(ErrorCode::kInvalidArgument,
                concat("json: ", json_of(text.substr(0, 80), BadUtf8::kReplace), " is not UTF-8"));
  }
}

std::string json_of(double value) {
  require(std::isfinite(value), "json: ", value, " is no JSON number");
  return nlohmann::json(value).dump();
}

}  // namespace minimoe
