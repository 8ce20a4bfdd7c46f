// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/activation.hpp"

#include "minimoe/ops/residual.hpp"
#include "support/catch.hpp"
#include "support/gradient_check.hpp"

using namespace minimoe;
using namespace minimoe::test;

TEST_CASE("activation: known values", "[ops][activation]") {
  Exec exec;
  Tensor<double, 1> x = make_tensor<double, 1>({3}), y = x;
  x.data()[1] = 1, x.data()[2] = -1;
  gelu_forward<double>(exec, y, x, Gelu::kErf);  // x Phi(x); Phi(1) = 0.8413447460685429
  CHECK(y.data()[0] == 0);
  CHECK(y.data()[1] == Approx(0.8413447460685429).epsilon(1e-14));
  CHECK(y.data()[2] == Approx(-0.1586552539314571).epsilon(1e-14));
  gelu_forward<double>(exec, y, x, Gelu::kTanh);  // torch.nn.functional.gelu(1.0, approximate="tanh")
  CHECK(y.data()[1] == Approx(0.8411919906082768).epsilon(1e-14));
  silu_forward<double>(exec, y, x);  // 1 / (1 + 1/e)
  CHECK(y.data()[1] == Approx(0.7310585786300049).epsilon(1e-14));
  CHECK(y.data()[2] == Approx(-0.2689414213699951).epsilon(1e-14));
}

TEST_CASE("activation: gradients equal central differences", "[ops][activation][gradient]") {
  Exec exec;
  Tensor<double, 1> x = random_tensor<double, 1>({50}, "x", 2), up = random_tensor<double, 1>({50}, "up"), y = x;
  const Tensor<double, 1> d_y = random_tensor<double, 1>({50}, "d_y");
  Tensor<double, 1> d_x = y, d_up = y;
  for (const Gelu kind : {Gelu::kTanh, Gelu::kErf}) {
    gelu_backward<double>(exec, d_x, d_y, x, kind);
    CHECK_GRADIENT(x, d_x, [&] {
      gelu_forward<double>(exec, y, x, kind);
      return weighted_sum(y, d_y);
    });
  }
  silu_backward<double>(exec, d_x, d_y, x);
  CHECK_GRADIENT(x, d_x, [&] {
    silu_forward<double>(exec, y, x);
    return weighted_sum(y, d_y);
  });
  swiglu_backward<double>(exec, d_x, d_up, d_y, x, up);
  const auto swiglu = [&] {
    swiglu_forward<double>(exec, y, x, up);
    return weighted_sum(y, d_y);
  };
  CHECK_GRADIENT(x, d_x, swiglu);
  CHECK_GRADIENT(up, d_up, swiglu);
}

TEMPLATE_TEST_CASE("activation: working in place changes no bit", "[ops][activation]", float, double) {
  using T = TestType;
  Exec exec;
  const Tensor<T, 1> x = random_tensor<T, 1>({45}, "x"), up = random_tensor<T, 1>({45}, "up");
  const Tensor<T, 1> d_y = random_tensor<T, 1>({45}, "d_y");
  Tensor<T, 1> y = x, d_x = d_y, expected = x, gate = x, d_up = up, expected_up = x;
  gelu_forward<T>(exec, expected, x, Gelu::kErf);
  gelu_forward<T>(exec, y, y, Gelu::kErf);
  CHECK(same_bits(y, expected));
  gelu_backward<T>(exec, expected, d_y, x, Gelu::kErf);
  gelu_backward<T>(exec, d_x, d_x, x, Gelu::kErf);
  CHECK(same_bits(d_x, expected));
  swiglu_backward<T>(exec, expected, expected_up, d_y, x, up);
  swiglu_backward<T>(exec, gate, d_up, d_y, gate, d_up);
  CHECK(same_bits(gate, expected));
  CHECK(same_bits(d_up, expected_up));
}

TEMPLATE_TEST_CASE("activation: NaN stays NaN and large values saturate", "[ops][activation]", float, double) {
  using T = TestType;
  Exec exec;
  const T nan = std::numeric_limits<T>::quiet_NaN(), max = std::numeric_limits<T>::max();
  Tensor<T, 1> x = make_tensor<T, 1>({3}), y = x, d_x = x, d_y = x;
  std::fill_n(d_y.data(), 3, T(1));
  x.data()[0] = nan, x.data()[1] = max, x.data()[2] = -max;
  const auto check = [&] {
    CHECK(std::isnan(y.data()[0]));
    CHECK(std::isnan(d_x.data()[0]));
    CHECK(y.data()[1] == max);
    CHECK(y.data()[2] == 0);
    CHECK(d_x.data()[1] == 1);
    CHECK(d_x.data()[2] == 0);
  };
  for (const Gelu kind : {Gelu::kTanh, Gelu::kErf}) {
    gelu_forward<T>(exec, y, x, kind);
    gelu_backward<T>(exec, d_x, d_y, x, kind);
    check();
  }
  silu_forward<T>(exec, y, x);
  silu_backward<T>(exec, d_x, d_y, x);
  check();
}

TEST_CASE("activation: sizes that disagree are refused with both", "[ops][activation]") {
  Exec exec;
  Tensor<float, 1> a = make_tensor<float, 1>({3}), b = make_tensor<float, 1>({4});
  CHECK_THROWS_WITH(gelu_forward<float>(exec, a, b, Gelu::kTanh), "gelu_forward: x is [4], expected [3]");
  CHECK_THROWS_WITH(gelu_backward<float>(exec, a, b, a, Gelu::kTanh), "gelu_backward: d_y is [4], expected [3]");
  CHECK_THROWS_WITH(silu_forward<float>(exec, a, b), "silu_forward: x is [4], expected [3]");
  CHECK_THROWS_WITH(silu_backward<float>(exec, a, a, b), "silu_backward: x is [4], expected [3]");
  CHECK_THROWS_WITH(swiglu_forward<float>(exec, a, a, b), "swiglu_forward: up is [4], expected [3]");
  CHECK_THROWS_WITH(swiglu_backward<float>(exec, a, a, a, b, a), "swiglu_backward: gate is [4], expected [3]");
  CHECK_THROWS_WITH(add_inplace<float>(exec, a, b), "add_inplace: x is [4], expected [3]");
}
