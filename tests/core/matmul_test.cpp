// SPDX-License-Identifier: Apache-2.0
#include "minimoe/core/matmul.hpp"

#include <xtensor-blas/xlinalg.hpp>

#include "minimoe/core/random.hpp"
#include "support/catch.hpp"

using namespace minimoe;

namespace {

template <class T>
Tensor<T, 2> random_matrix(std::size_t rows, std::size_t columns, const char* name) {
  Tensor<T, 2> x = make_tensor<T, 2>({rows, columns});
  const RandomStream stream(3, name);
  for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<T>(stream.uniform(i) * 2 - 1);
  return x;
}

// Largest |c - reference| over sum |a||b|, the natural scale of rounding errors.
template <class T>
double error_of(Exec& exec, std::size_t M, std::size_t N, std::size_t K, Transpose ta, Transpose tb, Accumulate add) {
  const bool turn_a = ta == Transpose::kYes, turn_b = tb == Transpose::kYes;
  const Tensor<T, 2> a = turn_a ? random_matrix<T>(K, M, "a") : random_matrix<T>(M, K, "a");
  const Tensor<T, 2> b = turn_b ? random_matrix<T>(N, K, "b") : random_matrix<T>(K, N, "b");
  Tensor<T, 2> c = random_matrix<T>(M, N, "c");
  xt::xtensor<double, 2> wide_a = xt::cast<double>(a), wide_b = xt::cast<double>(b);
  if (turn_a) wide_a = xt::xtensor<double, 2>(xt::transpose(wide_a));
  if (turn_b) wide_b = xt::xtensor<double, 2>(xt::transpose(wide_b));
  xt::xtensor<double, 2> expected = xt::zeros<double>({M, N});
  xt::xtensor<double, 2> scale = xt::ones<double>({M, N});
  if (K > 0) {
    expected = xt::linalg::dot(wide_a, wide_b);
    const xt::xtensor<double, 2> abs_a = xt::abs(wide_a), abs_b = xt::abs(wide_b);
    scale += xt::linalg::dot(abs_a, abs_b);
  }
  if (add == Accumulate::kYes) expected += c;
  matmul<T>(exec, c, a, ta, b, tb, add);
  double worst = 0;
  for (std::size_t i = 0; i < c.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(c.data()[i]) - expected.data()[i]) / scale.data()[i]);
  }
  return worst;
}

}  // namespace

TEMPLATE_TEST_CASE("matmul: equals xtensor-blas for every transposition, size and instruction set", "[matmul]", float,
                   double) {
  const double bound = 8 * static_cast<double>(std::numeric_limits<TestType>::epsilon());
  for (const InstructionSet set : available_instruction_sets()) {
    Exec exec({.num_threads = 2, .instruction_set = set});
    const auto check = [&](std::size_t M, std::size_t N, std::size_t K) {
      for (const Transpose ta : {Transpose::kNo, Transpose::kYes}) {
        for (const Transpose tb : {Transpose::kNo, Transpose::kYes}) {
          for (const Accumulate add : {Accumulate::kNo, Accumulate::kYes}) {
            INFO(instruction_set_name(set)
                 << " M " << M << " N " << N << " K " << K << " transposed " << (ta == Transpose::kYes)
                 << (tb == Transpose::kYes) << " accumulate " << (add == Accumulate::kYes));
            REQUIRE(error_of<TestType>(exec, M, N, K, ta, tb, add) < bound);
          }
        }
      }
    };
    for (std::size_t N = 1; N <= 70; ++N) check(13, N, 9);
    for (std::size_t M = 1; M <= 26; ++M) check(M, 33, 7);
    for (const std::size_t K : {1, 2, 3, 5, 15, 16, 17, 31, 255, 256, 257, 511, 512, 513}) check(14, 37, K);
    for (const std::size_t N : {1, 3, 4, 16, 17, 33}) check(129, N, 300);
    check(1, 1, 1);
    check(300, 100, 270);
    check(64, 64, 1024);
    check(5, 3000, 300);
  }
}
