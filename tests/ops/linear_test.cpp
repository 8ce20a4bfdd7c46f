// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/linear.hpp"

#include "support/catch.hpp"
#include "support/gradient_check.hpp"

using namespace minimoe;
using namespace minimoe::test;

TEST_CASE("linear: [1 2] by rows (3 4) and (5 6) with bias (10, 20) is [21 37]", "[ops][linear]") {
  Exec exec;
  Tensor<float, 2> x = make_tensor<float, 2>({1, 2}), y = x, weight = make_tensor<float, 2>({2, 2});
  Tensor<float, 1> bias = make_tensor<float, 1>({2});
  x(0, 0) = 1, x(0, 1) = 2;
  weight(0, 0) = 3, weight(0, 1) = 4, weight(1, 0) = 5, weight(1, 1) = 6;
  bias(0) = 10, bias(1) = 20;
  linear_forward<float>(exec, y, x, weight, bias);
  CHECK(y(0, 0) == 21);
  CHECK(y(0, 1) == 37);
  linear_forward<float>(exec, y, x, weight, {});
  CHECK(y(0, 0) == 11);
  CHECK(y(0, 1) == 17);
}

TEST_CASE("linear: gradients equal central differences, accumulate, and d_x may be left out",
          "[ops][linear][gradient]") {
  Exec exec;
  Tensor<double, 2> x = random_tensor<double, 2>({5, 7}, "x"), weight = random_tensor<double, 2>({3, 7}, "w");
  Tensor<double, 1> bias = random_tensor<double, 1>({3}, "b"), d_b = make_tensor<double, 1>({3});
  Tensor<double, 2> y = make_tensor<double, 2>({5, 3}), d_x = x, d_w = make_tensor<double, 2>({3, 7});
  const Tensor<double, 2> d_y = random_tensor<double, 2>({5, 3}, "d_y");
  linear_backward<double>(exec, d_x, d_w, d_b, d_y, x, weight);
  const auto loss = [&] {
    linear_forward<double>(exec, y, x, weight, bias);
    return weighted_sum(y, d_y);
  };
  CHECK_GRADIENT(x, d_x, loss);
  CHECK_GRADIENT(weight, d_w, loss);
  CHECK_GRADIENT(bias, d_b, loss);
  const Tensor<double, 2> once = d_w;
  linear_backward<double>(exec, {}, d_w, {}, d_y, x, weight);
  for (std::size_t i = 0; i < once.size(); ++i) CHECK(d_w.data()[i] == 2 * once.data()[i]);
}

TEST_CASE("linear: a token's output does not depend on how many tokens come with it", "[ops][linear]") {
  Exec exec;
  const Tensor<float, 2> x = random_tensor<float, 2>({40, 33}, "x"), weight = random_tensor<float, 2>({21, 33}, "w");
  const Tensor<float, 1> bias = random_tensor<float, 1>({21}, "b");
  Tensor<float, 2> all = make_tensor<float, 2>({40, 21}), one = make_tensor<float, 2>({1, 21});
  linear_forward<float>(exec, all, x, weight, bias);
  for (std::size_t t = 0; t < 40; ++t) {
    linear_forward<float>(exec, one, View<const float, 2>(x).rows(t, t + 1), weight, bias);
    CHECK(std::memcmp(one.data(), all.data() + t * 21, 21 * sizeof(float)) == 0);
  }
}

TEST_CASE("linear: bad shapes are refused with what came and what was expected", "[ops][linear]") {
  Exec exec;
  Tensor<float, 2> x = make_tensor<float, 2>({2, 3}), w = make_tensor<float, 2>({4, 3}),
                   y = make_tensor<float, 2>({2, 4});
  Tensor<float, 1> b = make_tensor<float, 1>({3});
  CHECK_THROWS_WITH(linear_forward<float>(exec, x, x, w, {}), "linear_forward: y is [2, 3], expected [2, 4]");
  CHECK_THROWS_WITH(linear_forward<float>(exec, y, x, y, {}), "linear_forward: y is [2, 4], expected [2, 2]");
  CHECK_THROWS_WITH(linear_forward<float>(exec, y, x, w, b), "linear_forward: bias is [3], expected [4]");
  CHECK_THROWS_WITH(linear_backward<float>(exec, {}, w, b, y, x, w), "linear_backward: d_bias is [3], expected [4]");
  CHECK_THROWS_WITH(linear_backward<float>(exec, {}, y, {}, y, x, w),
                    "linear_backward: d_weight is [2, 4], expected [4, 3]");
  CHECK_THROWS_WITH(linear_backward<float>(exec, {}, w, {}, x, x, w),
                    "linear_backward: d_y is [2, 3], expected [2, 4]");
}
