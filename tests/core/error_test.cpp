// SPDX-License-Identifier: Apache-2.0
#include "minimoe/core/error.hpp"

#include "support/catch.hpp"

using namespace minimoe;

TEST_CASE("error: nearest_word finds typos and leaves other words alone", "[error]") {
  const std::vector<std::string> keys = {"learning_rate", "top_k", "num_experts", "lr"};
  CHECK(nearest_word("lerning_rate", keys) == "learning_rate");
  CHECK(nearest_word("topk", keys) == "top_k");
  CHECK(nearest_word("num_exprets", keys) == "num_experts");
  CHECK(nearest_word("lt", keys) == "lr");
  CHECK(nearest_word("ab", keys) == "");
  CHECK(nearest_word("dropout", keys) == "");
  CHECK(nearest_word("", keys) == "");
  CHECK(nearest_word("x", {}) == "");
}

TEST_CASE("error: messages are joined and coded", "[error]") {
  CHECK(concat("a ", 1, ' ', 2.5) == "a 1 2.5");
  CHECK(concat(shape_string(std::vector<int>{})) == "[]");
  CHECK(concat(shape_string(std::vector<int>{128, 64})) == "[128, 64]");
  CHECK_NOTHROW(require(true, "never"));
  try {
    require(false, "x is ", 3);
    FAIL("require(false) did not throw");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    CHECK(std::string(error.what()) == "x is 3");
  }
}
