// SPDX-License-Identifier: Apache-2.0
// The stated error of every vector kernel with transcendental functions, on dense grids, for every instruction set.
#include <cmath>
#include <limits>

#include "core/simd/kernels.hpp"
#include "minimoe/core/exec.hpp"
#include "support/catch.hpp"
#include "support/test_tensors.hpp"

using namespace minimoe;

namespace {

using Real = long double;

Real sigmoid(Real x) { return 1 / (1 + std::exp(-x)); }
Real normal_cdf(Real x) { return std::erfc(-x / std::sqrt(Real(2))) / 2; }
Real tanh_argument(Real x) { return 2 * std::sqrt(2 / Real(M_PIl)) * (x + Real(0.044715L) * x * x * x); }

Real gelu_tanh(Real x) { return x * sigmoid(tanh_argument(x)); }
Real gelu_tanh_slope(Real x) {
  const Real s = sigmoid(tanh_argument(x)), rest = sigmoid(-tanh_argument(x));
  return s + x * s * rest * 2 * std::sqrt(2 / Real(M_PIl)) * (1 + 3 * Real(0.044715L) * x * x);
}
Real gelu_erf(Real x) { return x * normal_cdf(x); }
Real gelu_erf_slope(Real x) { return normal_cdf(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * Real(M_PIl)); }
Real silu(Real x) { return x * sigmoid(x); }
Real silu_slope(Real x) { return sigmoid(x) * (1 + x * sigmoid(-x)); }

/// 0, denormals, a dense grid around 0, and far out to where everything saturates.
template <class T>
std::vector<T> grid() {
  std::vector<T> x{T(0),
                   -T(0),
                   std::numeric_limits<T>::denorm_min(),
                   -std::numeric_limits<T>::denorm_min(),
                   std::numeric_limits<T>::min(),
                   T(88),
                   T(-88),
                   T(700),
                   T(-700),
                   T(1e10),
                   T(-1e10),
                   std::numeric_limits<T>::max() / 4,
                   -std::numeric_limits<T>::max() / 4};
  for (int i = -40000; i <= 40000; ++i) x.push_back(static_cast<T>(i * 0.0005 + 1e-5));
  for (int i = -3000; i <= 3000; ++i) x.push_back(static_cast<T>(i * 0.25));
  for (int e = -140; e < 10; ++e) x.push_back(static_cast<T>(std::pow(10.0, e / 4.0)));
  return x;
}

template <class T>
struct Case {
  const char* name;
  void (*forward)(T*, const T*, std::size_t);
  void (*backward)(T*, const T*, const T*, std::size_t);
  Real (*value)(Real);
  Real (*slope)(Real);
};

}  // namespace

// Stated: the value is off by at most 2 epsilon of |x| (of 1 for x < -1, where the functions are bounded), the slope by
// 2 epsilon. Results below the smallest normal number may become 0.
TEMPLATE_TEST_CASE("activation kernels: error on a dense grid is a few roundings on every instruction set",
                   "[ops][accuracy]", float, double) {
  using T = TestType;
  const Real eps = std::numeric_limits<T>::epsilon(), tiny = std::numeric_limits<T>::min();
  const std::vector<T> x = grid<T>(), ones(x.size(), T(1));
  std::vector<T> y(x.size()), d_x(x.size());
  for (const InstructionSet set : available_instruction_sets()) {
    Exec exec({.num_threads = 1, .instruction_set = set});
    const Kernels<T>& k = exec.kernels<T>();
    for (const Case<T>& c :
         {Case<T>{"gelu_tanh", k.gelu_tanh_forward, k.gelu_tanh_backward, gelu_tanh, gelu_tanh_slope},
          Case<T>{"gelu_erf", k.gelu_erf_forward, k.gelu_erf_backward, gelu_erf, gelu_erf_slope},
          Case<T>{"silu", k.silu_forward, k.silu_backward, silu, silu_slope}}) {
      c.forward(y.data(), x.data(), x.size());
      c.backward(d_x.data(), ones.data(), x.data(), x.size());
      Real worst = 0, worst_slope = 0, worst_at = 0, worst_slope_at = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const Real v = x[i];
        const Real scale = std::max(v > 0 ? v : std::min(-v, Real(1)), tiny / eps);
        Real error = std::abs(y[i] - c.value(v)) / eps / scale;
        if (!(error <= worst)) worst = error, worst_at = v;
        error = std::abs(d_x[i] - c.slope(v)) / eps;
        if (!(error <= worst_slope)) worst_slope = error, worst_slope_at = v;
      }
      INFO(c.name << " on " << instruction_set_name(set) << ": value at " << worst_at << ", slope at "
                  << worst_slope_at);
      CHECK(worst <= 2);
      CHECK(worst_slope <= 2);
    }
  }
}

TEMPLATE_TEST_CASE("exp kernel: relative error below 1 epsilon up to underflow, 0 beyond, NaN stays", "[ops][accuracy]",
                   float, double) {
  using T = TestType;
  using Limits = std::numeric_limits<T>;
  const Real eps = Limits::epsilon();
  const T lowest_normal = std::log(Limits::min());
  std::vector<T> x;
  for (int i = 0; i <= 100000; ++i) x.push_back(static_cast<T>(i * 1e-5 * static_cast<double>(lowest_normal)));
  for (const double v : {1e-300, 1e-40, 1e-20, 1e-8, 1e-3}) x.push_back(static_cast<T>(-v));
  std::vector<T> y(x.size());
  for (const InstructionSet set : available_instruction_sets()) {
    Exec exec({.num_threads = 1, .instruction_set = set});
    const Kernels<T>& k = exec.kernels<T>();
    k.scaled_exp(y.data(), x.data(), x.size(), T(0), T(1));
    Real worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Real exact = std::exp(Real(x[i]));
      if (exact < Limits::min() * (1 + 200 * eps)) continue;  // at the border either side of the cut is right
      const Real error = std::abs(y[i] - exact) / exact / eps;
      if (!(error <= worst)) worst = error;
    }
    INFO(instruction_set_name(set));
    CHECK(worst <= 1);
    const std::vector<T> special{2 * lowest_normal, T(-1e30), -Limits::infinity(), Limits::quiet_NaN()};
    std::vector<T> out(special.size());
    k.scaled_exp(out.data(), special.data(), special.size(), T(0), T(1));
    CHECK(out[0] == 0);
    CHECK(out[1] == 0);
    CHECK(out[2] == 0);
    CHECK(std::isnan(out[3]));
  }
}

TEMPLATE_TEST_CASE("activation kernels: a value does not depend on where it stands, and neighbours are not touched",
                   "[ops][accuracy]", float, double) {
  using T = TestType;
  const Tensor<T, 1> x = test::random_tensor<T, 1>({70}, "x", 3), g = test::random_tensor<T, 1>({70}, "g");
  for (const InstructionSet set : available_instruction_sets()) {
    Exec exec({.num_threads = 1, .instruction_set = set});
    const Kernels<T>& k = exec.kernels<T>();
    std::vector<T> whole(70), whole_slope(70), gate(70), up(70);
    for (const auto& [forward, backward] :
         {std::pair{k.gelu_tanh_forward, k.gelu_tanh_backward}, std::pair{k.gelu_erf_forward, k.gelu_erf_backward},
          std::pair{k.silu_forward, k.silu_backward}}) {
      forward(whole.data(), x.data(), 70);
      backward(whole_slope.data(), g.data(), x.data(), 70);
      for (std::size_t begin = 0; begin < 35; ++begin) {
        const std::size_t n = 1 + begin;
        std::vector<T> part(n + 2, T(7)), part_slope(n + 2, T(7));
        forward(part.data() + 1, x.data() + begin, n);
        backward(part_slope.data() + 1, g.data() + begin, x.data() + begin, n);
        REQUIRE(std::equal(part.begin() + 1, part.end() - 1, whole.begin() + begin));
        REQUIRE(std::equal(part_slope.begin() + 1, part_slope.end() - 1, whole_slope.begin() + begin));
        REQUIRE((part.front() == 7 && part.back() == 7 && part_slope.front() == 7 && part_slope.back() == 7));
      }
    }
  }
}

TEMPLATE_TEST_CASE("activation kernels: with_slope has the bits of forward, and of backward once multiplied",
                   "[ops][accuracy]", float, double) {
  using T = TestType;
  constexpr std::size_t kSize = 70;
  const Tensor<T, 1> x = test::random_tensor<T, 1>({kSize}, "x", 3), g = test::random_tensor<T, 1>({kSize}, "g");
  for (const InstructionSet set : available_instruction_sets()) {
    Exec exec({.num_threads = 1, .instruction_set = set});
    const Kernels<T>& k = exec.kernels<T>();
    struct Gelu {
      decltype(k.gelu_tanh_forward) forward;
      decltype(k.gelu_tanh_backward) backward;
      decltype(k.gelu_tanh_with_slope) with_slope;
    };
    for (const Gelu& gelu : {Gelu{k.gelu_tanh_forward, k.gelu_tanh_backward, k.gelu_tanh_with_slope},
                             Gelu{k.gelu_erf_forward, k.gelu_erf_backward, k.gelu_erf_with_slope}}) {
      for (std::size_t n = 1; n < kSize; ++n) {
        std::vector<T> y(n), d_x(n), y_kept(n + 1, T(7)), slope(x.begin(), x.begin() + n + 1), product(n + 1, T(7));
        gelu.forward(y.data(), x.data(), n);
        gelu.backward(d_x.data(), g.data(), x.data(), n);
        gelu.with_slope(y_kept.data(), slope.data(), slope.data(), n);
        std::copy_n(g.data(), n, product.data());
        k.multiply_into(product.data(), slope.data(), n);
        REQUIRE(std::equal(y.begin(), y.end(), y_kept.begin()));
        REQUIRE(std::equal(d_x.begin(), d_x.end(), product.begin()));
        REQUIRE((y_kept.back() == 7 && slope.back() == x(n) && product.back() == 7));
      }
    }
  }
}
