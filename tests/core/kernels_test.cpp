// SPDX-License-Identifier: Apache-2.0
#include "core/simd/kernels.hpp"

#include <vector>

#include "minimoe/core/exec.hpp"
#include "support/catch.hpp"

using namespace minimoe;

TEMPLATE_TEST_CASE("kernels: add_into changes exactly its n elements on every instruction set", "[kernels]", float,
                   double) {
  for (const InstructionSet set : available_instruction_sets()) {
    INFO(instruction_set_name(set));
    const Exec exec({.num_threads = 1, .instruction_set = set});
    for (std::size_t n = 0; n < 70; ++n) {
      std::vector<TestType> y(n + 40, 1), x(n);  // x ends where it ends: reading further is for the sanitizer to see
      for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<TestType>(i);
      exec.kernels<TestType>().add_into(y.data(), x.data(), n);
      for (std::size_t i = 0; i < y.size(); ++i) REQUIRE(y[i] == static_cast<TestType>(i < n ? i + 1 : 1));
    }
  }
}
