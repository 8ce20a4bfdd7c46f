// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstring>
#include <limits>
#include <xtensor-blas/xlinalg.hpp>

#include "core/exec_impl.hpp"
#include "minimoe/core/matmul.hpp"
#include "minimoe/core/random.hpp"
#include "support/catch.hpp"

using namespace minimoe;

namespace {

constexpr Transpose kTransposes[] = {Transpose::kNo, Transpose::kYes};

Tensor<float, 2> random_matrix(std::size_t rows, std::size_t columns, const char* name) {
  Tensor<float, 2> x = make_tensor<float, 2>({rows, columns});
  const RandomStream stream(3, name);
  for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(stream.normal(i));
  return x;
}

// The nearest number with 8 significant bits, ties to even, by the definition.
double to_bfloat16(float x) {
  if (x == 0 || !std::isfinite(x)) return x;
  int exponent = 0;
  const double fraction = std::frexp(static_cast<double>(x), &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
}

struct Case {
  std::size_t M, N, K;
  Transpose turn_a, turn_b;
};

Tensor<float, 2> product(Exec& exec, const Case& c, Accumulate add = Accumulate::kNo) {
  const auto a = c.turn_a == Transpose::kYes ? random_matrix(c.K, c.M, "a") : random_matrix(c.M, c.K, "a");
  const auto b = c.turn_b == Transpose::kYes ? random_matrix(c.N, c.K, "b") : random_matrix(c.K, c.N, "b");
  Tensor<float, 2> y = random_matrix(c.M, c.N, "c");
  matmul<float>(exec, y, a, c.turn_a, b, c.turn_b, add);
  return y;
}

bool same_bits(const Tensor<float, 2>& x, const Tensor<float, 2>& y) {
  return x.shape() == y.shape() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
}

template <class Body>
void for_each_case(Body&& body) {
  for (const Transpose turn_a : kTransposes) {
    for (const Transpose turn_b : kTransposes) {
      for (std::size_t N = 1; N <= 36; ++N) body(Case{13, N, 9, turn_a, turn_b});
      for (std::size_t M = 1; M <= 26; ++M) body(Case{M, 33, 7, turn_a, turn_b});
      for (const std::size_t K : {1, 2, 3, 31, 32, 33, 511, 512, 513, 1025}) body(Case{14, 37, K, turn_a, turn_b});
      body(Case{130, 70, 300, turn_a, turn_b});
      body(Case{5, 3000, 600, turn_a, turn_b});
    }
  }
}

}  // namespace

TEST_CASE("matmul in bfloat16: the product of the rounded operands, for every transposition, size and instruction set",
          "[matmul]") {
  for (const InstructionSet set : available_instruction_sets()) {
    Exec exec({.num_threads = 2, .instruction_set = set});
    exec.set_precision(Precision::kBfloat16);
    for_each_case([&](const Case& c) {
      const bool turn_a = c.turn_a == Transpose::kYes, turn_b = c.turn_b == Transpose::kYes;
      const auto round = [](const Tensor<float, 2>& x, bool turn) {
        xt::xtensor<double, 2> wide = xt::zeros<double>({x.shape(0), x.shape(1)});
        for (std::size_t i = 0; i < x.size(); ++i) wide.data()[i] = to_bfloat16(x.data()[i]);
        return turn ? xt::xtensor<double, 2>(xt::transpose(wide)) : wide;
      };
      const auto a = round(turn_a ? random_matrix(c.K, c.M, "a") : random_matrix(c.M, c.K, "a"), turn_a);
      const auto b = round(turn_b ? random_matrix(c.N, c.K, "b") : random_matrix(c.K, c.N, "b"), turn_b);
      const xt::xtensor<double, 2> expected = xt::linalg::dot(a, b), start = random_matrix(c.M, c.N, "c");
      const xt::xtensor<double, 2> abs_a = xt::abs(a), abs_b = xt::abs(b);
      const xt::xtensor<double, 2> scale = 1 + xt::linalg::dot(abs_a, abs_b);
      for (const Accumulate add : {Accumulate::kNo, Accumulate::kYes}) {
        const Tensor<float, 2> found = product(exec, c, add);
        double worst = 0;
        for (std::size_t i = 0; i < found.size(); ++i) {
          const double wanted = expected.data()[i] + (add == Accumulate::kYes ? start.data()[i] : 0);
          worst = std::max(worst, std::abs(static_cast<double>(found.data()[i]) - wanted) / scale.data()[i]);
        }
        INFO(instruction_set_name(set) << " M " << c.M << " N " << c.N << " K " << c.K << " transposed " << turn_a
                                       << turn_b << " accumulate " << (add == Accumulate::kYes));
        REQUIRE(worst < 8 * static_cast<double>(std::numeric_limits<float>::epsilon()));
      }
    });
  }
}

TEST_CASE("matmul in bfloat16: the same bits with and without the CPU's instructions", "[matmul]") {
  Exec best({.num_threads = 1});
  best.set_precision(Precision::kBfloat16);
  for (const InstructionSet set : available_instruction_sets()) {
    Exec emulated({.num_threads = 1, .instruction_set = set});
    emulated.set_precision(Precision::kBfloat16);
    emulated.impl().bf16 = &emulated.impl().tables->bf16;
    for_each_case([&](const Case& c) {
      INFO(instruction_set_name(set) << " M " << c.M << " N " << c.N << " K " << c.K);
      REQUIRE(same_bits(product(emulated, c), product(best, c)));
    });
  }
}

TEST_CASE("matmul in bfloat16: zeros, infinities, NaN and ties round as IEEE 754 says", "[matmul]") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float tie_down = 1 + 0x1p-8f, tie_up = 1 + 3 * 0x1p-8f, above_tie = 1 + 0x1p-8f + 0x1p-23f;
  Tensor<float, 2> x = make_tensor<float, 2>({1, 1}), one = make_tensor<float, 2>({1, 1}), y = one;
  one.data()[0] = 1;
  for (const InstructionSet set : available_instruction_sets()) {
    Exec exec({.num_threads = 1, .instruction_set = set});
    exec.set_precision(Precision::kBfloat16);
    const auto rounded = [&](float value) {
      x.data()[0] = value;
      matmul<float>(exec, y, x, Transpose::kNo, one, Transpose::kNo);
      const float as_a = y.data()[0];
      matmul<float>(exec, y, one, Transpose::kNo, x, Transpose::kNo);
      CHECK(std::memcmp(&as_a, y.data(), sizeof as_a) == 0);
      return as_a;
    };
    INFO(instruction_set_name(set));
    CHECK(rounded(0) == 0);
    CHECK(rounded(tie_down) == 1);
    CHECK(rounded(tie_up) == 1 + 0x1p-6f);
    CHECK(rounded(above_tie) == 1 + 0x1p-7f);
    CHECK(rounded(-above_tie) == -1 - 0x1p-7f);
    CHECK(rounded(std::numeric_limits<float>::max()) == kInf);
    CHECK(rounded(-kInf) == -kInf);
    CHECK(std::isnan(rounded(std::numeric_limits<float>::quiet_NaN())));
    CHECK(std::isnan(rounded(std::numeric_limits<float>::signaling_NaN())));
  }
}

TEST_CASE("matmul in bfloat16: a row has the same bits alone, and with any number of threads", "[matmul]") {
  constexpr std::size_t M = 257, N = 300, K = 1100;
  const auto a = random_matrix(M, K, "a"), b = random_matrix(N, K, "b");
  Exec one({.num_threads = 1});
  one.set_precision(Precision::kBfloat16);
  Tensor<float, 2> whole = make_tensor<float, 2>({M, N}), y = whole, row = make_tensor<float, 2>({1, N});
  matmul<float>(one, whole, a, Transpose::kNo, b, Transpose::kYes);
  for (const int threads : {2, 3, 8}) {
    Exec many({.num_threads = threads});
    many.set_precision(Precision::kBfloat16);
    matmul<float>(many, y, a, Transpose::kNo, b, Transpose::kYes);
    CHECK(same_bits(y, whole));
  }
  for (std::size_t m = 0; m < M; m += 16) {
    matmul<float>(one, row, In<float, 2>(a.data() + m * K, {1, K}), Transpose::kNo, b, Transpose::kYes);
    REQUIRE(std::memcmp(row.data(), whole.data() + m * N, N * sizeof(float)) == 0);
  }
}

TEST_CASE("matmul in bfloat16: double is never rounded, and a scope ends with its precision", "[matmul]") {
  Exec exec({.num_threads = 1});
  Tensor<double, 2> x = make_tensor<double, 2>({1, 1}), y = x;
  x.data()[0] = 1 + 0x1p-30;
  {
    const PrecisionScope scope(exec, Precision::kBfloat16);
    CHECK(exec.precision() == Precision::kBfloat16);
    matmul<double>(exec, y, x, Transpose::kNo, x, Transpose::kNo);
    CHECK(y.data()[0] == x.data()[0] * x.data()[0]);
  }
  CHECK(exec.precision() == Precision::kFloat32);
#if defined(MINIMOE_WITH_BLAS)
  Exec blas({.num_threads = 1, .matmul_backend = MatmulBackend::kBlas});
  CHECK_THROWS_WITH(blas.set_precision(Precision::kBfloat16), "exec: bfloat16 products need the native matmul backend");
#endif
}
