// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "minimoe/core/parameter.hpp"
#include "support/catch.hpp"

namespace minimoe_test {

/// The same parameters in the same order, shapes and values.
template <class A, class B>
void check_same_values(const minimoe::ParameterList<A>& before, const minimoe::ParameterList<B>& after) {
  REQUIRE(before.size() == after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    INFO(before[i].name);
    REQUIRE(before[i].name == after[i].name);
    REQUIRE(before[i].shape == after[i].shape);
    CHECK(std::equal(before[i].value, before[i].value + before[i].size(), after[i].value));
  }
}

}  // namespace minimoe_test
