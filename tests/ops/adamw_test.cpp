// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/adamw.hpp"

#include "support/catch.hpp"
#include "support/test_tensors.hpp"

using namespace minimoe;
using namespace minimoe::test;

TEST_CASE("adamw: the first step moves by the learning rate against the gradient's sign, after the decay",
          "[ops][adamw]") {
  Exec exec;
  Tensor<double, 1> w = make_tensor<double, 1>({3}), m = w, v = w, g = w;
  w(0) = 2, w(1) = 2, w(2) = 2;
  g(0) = 5, g(1) = -1e-3;
  AdamWStep step;
  step.learning_rate = 0.1;
  step.weight_decay = 0.5;
  step.eps = 0;
  g(2) = 1e-3;
  adamw_update<double>(exec, w, m, v, g, step);
  CHECK(w(0) == Approx(2 * 0.95 - 0.1).epsilon(1e-14));
  CHECK(w(1) == Approx(2 * 0.95 + 0.1).epsilon(1e-14));
  CHECK(m(0) == Approx(0.5).epsilon(1e-14));   // (1 - 0.9) * 5
  CHECK(v(0) == Approx(1.25).epsilon(1e-14));  // (1 - 0.95) * 25
  CHECK(w(2) == Approx(2 * 0.95 - 0.1).epsilon(1e-14));
}

TEST_CASE("adamw: a zero gradient leaves weights and moments, and a gradient scale is a scaled gradient",
          "[ops][adamw]") {
  Exec exec;
  Tensor<float, 1> w = random_tensor<float, 1>({37}, "w"), m = make_tensor<float, 1>({37}), v = m, zero = m;
  const Tensor<float, 1> start = w;
  adamw_update<float>(exec, w, m, v, zero, {});
  CHECK(same_bits(w, start));
  CHECK(same_bits(m, zero));
  Tensor<float, 1> g = random_tensor<float, 1>({37}, "g"), half = g, w2 = w, m2 = m, v2 = v;
  for (float& x : half) x *= 0.5f;
  AdamWStep step, scaled;
  scaled.gradient_scale = 0.5;
  adamw_update<float>(exec, w, m, v, half, step);
  adamw_update<float>(exec, w2, m2, v2, g, scaled);
  CHECK(same_bits(w, w2));
  CHECK(same_bits(v, v2));
}

TEMPLATE_TEST_CASE(
    "sum_of_squares: exact where doubles are, without overflow in float, infinite or NaN when an element is",
    "[ops][adamw]", float, double) {
  using T = TestType;
  Exec exec;
  for (const std::size_t n : {0, 1, 7, 33, 100000}) {
    Tensor<T, 1> x = make_tensor<T, 1>({n});
    double expected = 0;
    for (std::size_t i = 0; i < n; ++i) {
      x(i) = static_cast<T>(i % 13) - 6;
      expected += static_cast<double>(x(i)) * static_cast<double>(x(i));
    }
    CHECK(sum_of_squares<T>(exec, x) == expected);
  }
  Tensor<T, 1> x = make_tensor<T, 1>({40000});
  x(39999) = T(1e30);
  CHECK(sum_of_squares<T>(exec, x) == Approx(1e60).epsilon(1e-6));
  x(20001) = -std::numeric_limits<T>::infinity();
  CHECK(std::isinf(sum_of_squares<T>(exec, x)));
  x(3) = std::numeric_limits<T>::quiet_NaN();
  CHECK(std::isnan(sum_of_squares<T>(exec, x)));
}

TEST_CASE("adamw: bad shapes and steps are refused", "[ops][adamw]") {
  Exec exec;
  Tensor<float, 1> a = make_tensor<float, 1>({3}), b = make_tensor<float, 1>({4});
  CHECK_THROWS_WITH(adamw_update<float>(exec, a, b, a, a, {}), "adamw_update: moment1 is [4], expected [3]");
  CHECK_THROWS_WITH(adamw_update<float>(exec, a, a, a, b, {}), "adamw_update: gradient is [4], expected [3]");
  AdamWStep step;
  step.step = 0;
  CHECK_THROWS_WITH(adamw_update<float>(exec, a, a, a, a, step), "adamw_update: step is 0, expected 1 or more");
}
