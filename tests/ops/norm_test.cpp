// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/norm.hpp"

#include "support/catch.hpp"
#include "support/gradient_check.hpp"

using namespace minimoe;
using namespace minimoe::test;

TEST_CASE("norm: a row of 1 and 3 has mean 2, deviation 1 and root mean square sqrt(5)", "[ops][norm]") {
  Exec exec;
  Tensor<double, 2> x = make_tensor<double, 2>({1, 2}), y = x;
  x(0, 0) = 1, x(0, 1) = 3;
  Tensor<double, 1> weight = make_tensor<double, 1>({2}), bias = weight, mean = make_tensor<double, 1>({1}),
                    rstd = mean;
  weight(0) = 10, weight(1) = 100, bias(0) = 0.5, bias(1) = -0.5;
  layer_norm_forward<double>(exec, y, mean, rstd, x, weight, bias, 0);
  CHECK(mean(0) == 2);
  CHECK(rstd(0) == 1);
  CHECK(y(0, 0) == -9.5);
  CHECK(y(0, 1) == 99.5);
  layer_norm_forward<double>(exec, y, {}, rstd, x, weight, bias, 3);  // 1 / sqrt(1 + 3)
  CHECK(rstd(0) == 0.5);
  rms_norm_forward<double>(exec, y, {}, x, weight, 0);
  CHECK(y(0, 0) == Approx(10 / std::sqrt(5.0)).epsilon(1e-15));
  CHECK(y(0, 1) == Approx(300 / std::sqrt(5.0)).epsilon(1e-15));
}

TEST_CASE("layer_norm: gradients equal central differences", "[ops][norm][gradient]") {
  Exec exec;
  constexpr std::size_t kTokens = 4, kD = 11;
  Tensor<double, 2> x = random_tensor<double, 2>({kTokens, kD}, "x"), y = x, d_x = x;
  Tensor<double, 1> weight = random_tensor<double, 1>({kD}, "w"), bias = random_tensor<double, 1>({kD}, "b");
  Tensor<double, 1> mean = make_tensor<double, 1>({kTokens}), rstd = mean, d_w = make_tensor<double, 1>({kD}),
                    d_b = d_w;
  const Tensor<double, 2> d_y = random_tensor<double, 2>({kTokens, kD}, "d_y");
  const auto loss = [&] {
    layer_norm_forward<double>(exec, y, mean, rstd, x, weight, bias, 0.1);
    return weighted_sum(y, d_y);
  };
  loss();
  layer_norm_backward<double>(exec, d_x, d_w, d_b, d_y, x, weight, mean, rstd);
  CHECK_GRADIENT(x, d_x, loss);
  CHECK_GRADIENT(weight, d_w, loss);
  CHECK_GRADIENT(bias, d_b, loss);
}

TEST_CASE("rms_norm: gradients equal central differences, for whole rows and per head", "[ops][norm][gradient]") {
  Exec exec;
  constexpr std::size_t kTokens = 4, kD = 12, kHeadDim = 3;
  Tensor<double, 2> x = random_tensor<double, 2>({kTokens, kD}, "x"), y = x, d_x = x;
  const Tensor<double, 2> d_y = random_tensor<double, 2>({kTokens, kD}, "d_y");
  {
    Tensor<double, 1> weight = random_tensor<double, 1>({kD}, "w"), rstd = make_tensor<double, 1>({kTokens}),
                      d_w = make_tensor<double, 1>({kD});
    const auto loss = [&] {
      rms_norm_forward<double>(exec, y, rstd, x, weight, 0.1);
      return weighted_sum(y, d_y);
    };
    loss();
    rms_norm_backward<double>(exec, d_x, d_w, d_y, x, weight, rstd);
    CHECK_GRADIENT(x, d_x, loss);
    CHECK_GRADIENT(weight, d_w, loss);
  }
  Tensor<double, 1> weight = random_tensor<double, 1>({kHeadDim}, "w"), d_w = make_tensor<double, 1>({kHeadDim});
  Tensor<double, 2> rstd = make_tensor<double, 2>({kTokens, 2});
  const auto loss = [&] {
    y = x;  // heads 0 and 3 pass through
    head_rms_norm_forward<double>(exec, y, rstd, x, weight, 1, 2, 0.1);
    return weighted_sum(y, d_y);
  };
  loss();
  d_x = d_y;
  head_rms_norm_backward<double>(exec, d_x, d_w, d_x, x, weight, rstd, 1, 2);
  CHECK_GRADIENT(x, d_x, loss);
  CHECK_GRADIENT(weight, d_w, loss);
}

TEMPLATE_TEST_CASE("norm: parameter gradients accumulate, a large common offset does not spoil LayerNorm",
                   "[ops][norm]", float, double) {
  using T = TestType;
  Exec exec;
  constexpr std::size_t kTokens = 3, kD = 40;
  Tensor<T, 2> x = make_tensor<T, 2>({kTokens, kD}), y = x, shifted = x, y_shifted = x, d_x = x;
  for (std::size_t i = 0; i < x.size(); ++i) {
    x.data()[i] = static_cast<T>(i * i % 17);
    shifted.data()[i] = x.data()[i] + 4096;
  }
  Tensor<T, 1> weight = random_tensor<T, 1>({kD}, "w"), bias = random_tensor<T, 1>({kD}, "b");
  Tensor<T, 1> mean = make_tensor<T, 1>({kTokens}), rstd = mean, d_w = make_tensor<T, 1>({kD}), d_b = d_w;
  layer_norm_forward<T>(exec, y_shifted, mean, rstd, shifted, weight, bias, 1e-5);
  layer_norm_forward<T>(exec, y, mean, rstd, x, weight, bias, 1e-5);
  CHECK(relative_error(values(y), values(y_shifted)) < (sizeof(T) == 4 ? 1e-4 : 1e-12));
  layer_norm_backward<T>(exec, d_x, d_w, d_b, y, x, weight, mean, rstd);
  const std::vector<double> once = values(d_w), once_bias = values(d_b);
  layer_norm_backward<T>(exec, d_x, d_w, d_b, y, x, weight, mean, rstd);
  for (std::size_t j = 0; j < kD; ++j) {
    CHECK(d_w(j) == 2 * static_cast<T>(once[j]));
    CHECK(d_b(j) == 2 * static_cast<T>(once_bias[j]));
  }
}

TEST_CASE("norm: bad shapes and heads are refused with what came and what was expected", "[ops][norm]") {
  Exec exec;
  Tensor<float, 2> x = make_tensor<float, 2>({2, 6}), bad = make_tensor<float, 2>({2, 5}),
                   rstd2 = make_tensor<float, 2>({2, 3});
  Tensor<float, 1> w = make_tensor<float, 1>({6}), w5 = make_tensor<float, 1>({5}),
                   per_token = make_tensor<float, 1>({2});
  CHECK_THROWS_WITH(layer_norm_forward<float>(exec, bad, {}, {}, x, w, w, 1e-5),
                    "layer_norm_forward: y is [2, 5], expected [2, 6]");
  CHECK_THROWS_WITH(layer_norm_forward<float>(exec, x, w, {}, x, w, w, 1e-5),
                    "layer_norm_forward: mean is [6], expected [2]");
  CHECK_THROWS_WITH(layer_norm_backward<float>(exec, x, w, w5, x, x, w, per_token, per_token),
                    "layer_norm_backward: d_bias is [5], expected [6]");
  CHECK_THROWS_WITH(rms_norm_forward<float>(exec, x, {}, x, w5, 1e-5), "rms_norm_forward: weight is [5], expected [6]");
  CHECK_THROWS_WITH(rms_norm_backward<float>(exec, x, w, bad, x, w, per_token),
                    "rms_norm_backward: d_y is [2, 5], expected [2, 6]");
  CHECK_THROWS_WITH(head_rms_norm_forward<float>(exec, x, {}, x, per_token, 1, 3, 1e-5),
                    "head_rms_norm_forward: heads 1 to 4 of 2 columns do not fit into rows of 6");
  CHECK_THROWS_WITH(head_rms_norm_backward<float>(exec, x, per_token, x, x, per_token, rstd2, 1, 2),
                    "head_rms_norm_backward: rstd is [2, 3], expected [2, 2]");
}
