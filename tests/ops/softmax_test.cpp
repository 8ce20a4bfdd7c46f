// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/softmax.hpp"

#include "support/catch.hpp"
#include "support/gradient_check.hpp"

using namespace minimoe;
using namespace minimoe::test;

TEST_CASE("softmax: two logits ln 3 apart give 1/4 and 3/4", "[ops][softmax]") {
  Exec exec;
  Tensor<double, 2> x = make_tensor<double, 2>({1, 2});
  x(0, 1) = std::log(3.0);
  softmax_forward<double>(exec, x, x);
  CHECK(x(0, 0) == Approx(0.25).epsilon(1e-15));
  CHECK(x(0, 1) == Approx(0.75).epsilon(1e-15));
}

TEST_CASE("softmax: gradient equals central differences", "[ops][softmax][gradient]") {
  Exec exec;
  Tensor<double, 2> x = random_tensor<double, 2>({5, 11}, "x"), y = x, d_x = x;
  const Tensor<double, 2> d_y = random_tensor<double, 2>({5, 11}, "d_y");
  softmax_forward<double>(exec, y, x);
  softmax_backward<double>(exec, d_x, d_y, y);
  CHECK_GRADIENT(x, d_x, [&] {
    softmax_forward<double>(exec, y, x);
    return weighted_sum(y, d_y);
  });
}

TEMPLATE_TEST_CASE("softmax: rows of any finite values sum to 1, and a shift by a power of two changes no bit",
                   "[ops][softmax]", float, double) {
  using T = TestType;
  Exec exec;
  for (const double scale : {1e-30, 1.0, 100.0, 1e30}) {
    for (const std::size_t n : {1, 2, 15, 16, 17, 100, 1000}) {
      Tensor<T, 2> x = random_tensor<T, 2>({3, n}, "x", scale), y = x;
      softmax_forward<T>(exec, y, x);
      for (std::size_t r = 0; r < 3; ++r) {
        double sum = 0;
        for (std::size_t j = 0; j < n; ++j) {
          CHECK(y(r, j) >= 0);
          sum += y(r, j);
        }
        CHECK(sum == Approx(1).margin(20 * std::numeric_limits<T>::epsilon()));
      }
    }
  }
  Tensor<T, 2> x = make_tensor<T, 2>({1, 20}), shifted = x;
  for (std::size_t j = 0; j < 20; ++j) x(0, j) = static_cast<T>(j) / 8, shifted(0, j) = x(0, j) + 1024;
  softmax_forward<T>(exec, x, x);
  softmax_forward<T>(exec, shifted, shifted);
  CHECK(same_bits(x, shifted));
}

TEMPLATE_TEST_CASE("softmax: -infinity gets 0, NaN spoils its own row only", "[ops][softmax]", float, double) {
  using T = TestType;
  Exec exec;
  Tensor<T, 2> x = make_tensor<T, 2>({3, 3});
  x(0, 1) = -std::numeric_limits<T>::infinity();
  x(1, 2) = std::numeric_limits<T>::quiet_NaN();
  softmax_forward<T>(exec, x, x);
  CHECK(x(0, 0) == T(0.5));
  CHECK(x(0, 1) == 0);
  CHECK((std::isnan(x(1, 0)) && std::isnan(x(1, 2))));
  CHECK(x(2, 0) == Approx(1.0 / 3));
}

TEST_CASE("softmax: shapes that disagree are refused with both", "[ops][softmax]") {
  Exec exec;
  Tensor<float, 2> a = make_tensor<float, 2>({2, 3}), b = make_tensor<float, 2>({3, 2});
  CHECK_THROWS_WITH(softmax_forward<float>(exec, a, b), "softmax_forward: x is [3, 2], expected [2, 3]");
  CHECK_THROWS_WITH(softmax_backward<float>(exec, a, b, a), "softmax_backward: d_y is [3, 2], expected [2, 3]");
}
