// SPDX-License-Identifier: Apache-2.0
#include "core/json_writer.hpp"

#include <limits>
#include <nlohmann/json.hpp>

#include "minimoe/core/error.hpp"
#include "support/catch.hpp"

using namespace minimoe;

TEST_CASE("json_writer: what it writes reads back to the same values", "[json_writer]") {
  const std::string odd = "quote \" slash \\ tab \t bell \x07 \xc3\xb1 \xf0\x9f\x98\x80";
  JsonWriter out;
  out.begin('{').member("text", odd).member("none", std::vector<int>{}).member("yes", true);
  out.begin("inner", '{').end('}').begin("list", '[').element(1).begin('{').member("k", 0.1).end('}').end(']');
  out.member("big", std::numeric_limits<std::uint64_t>::max()).member("low", std::numeric_limits<std::int64_t>::min());
  out.member("third", 1.0 / 3).member("tiny", 5e-324).member("sizes", std::vector<std::size_t>{1, 2, 3}).end('}');
  const auto read = nlohmann::json::parse(out.text());
  CHECK(read["text"] == odd);
  CHECK(read["none"].empty());
  CHECK(read["yes"] == true);
  CHECK(read["inner"].is_object());
  CHECK(read["list"].size() == 2);
  CHECK(read["list"][1]["k"] == 0.1);
  CHECK(read["big"] == std::numeric_limits<std::uint64_t>::max());
  CHECK(read["low"] == std::numeric_limits<std::int64_t>::min());
  CHECK(read["third"] == 1.0 / 3);
  CHECK(read["tiny"] == 5e-324);
  CHECK(read["sizes"] == std::vector<std::size_t>{1, 2, 3});
}

TEST_CASE("json_writer: text that is not UTF-8 is refused, or replaced when asked", "[json_writer]") {
  CHECK_THROWS_AS(json_of(std::string("a\xff")), Error);
  CHECK(json_of(std::string_view("a\xff"), BadUtf8::kReplace) == "\"a\xef\xbf\xbd\"");
  CHECK_THROWS_AS(json_of(std::numeric_limits<double>::infinity()), Error);
}
