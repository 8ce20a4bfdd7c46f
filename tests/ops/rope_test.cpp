// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/rope.hpp"

#include "support/catch.hpp"
#include "support/gradient_check.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

constexpr std::size_t kS = 5, kHeadDim = 6, kHeads = 2, kWidth = 17;  // columns beyond the heads stay

template <class T>
struct Tables {
  Tensor<T, 2> cos = make_tensor<T, 2>({kS, kHeadDim / 2}), sin = cos;
  Tables() { rope_tables<T>(cos, sin, 100); }
};

}  // namespace

TEST_CASE("rope: the tables hold position times theta^(-2i/d), and position 0 is not turned", "[ops][rope]") {
  const Tables<double> tables;
  CHECK(tables.cos(3, 0) == Approx(std::cos(3.0)).epsilon(1e-15));
  CHECK(tables.sin(3, 1) == Approx(std::sin(3 * std::pow(100.0, -2.0 / 6))).epsilon(1e-15));
  CHECK(tables.sin(3, 2) == Approx(std::sin(3 * std::pow(100.0, -4.0 / 6))).epsilon(1e-15));
  Exec exec;
  const Tensor<double, 2> x = random_tensor<double, 2>({2 * kS, kWidth}, "x");
  Tensor<double, 2> y = x;
  rope_forward<double>(exec, y, kHeads, kS, tables.cos, tables.sin, RopePairing::kHalfSplit);
  for (std::size_t j = 0; j < kWidth; ++j) {
    CHECK(y(0, j) == x(0, j));
    CHECK(y(kS, j) == x(kS, j));
  }
  for (std::size_t j = kHeads * kHeadDim; j < kWidth; ++j) CHECK(y(3, j) == x(3, j));
  CHECK(y(1, 0) == Approx(x(1, 0) * std::cos(1.0) - x(1, 3) * std::sin(1.0)).epsilon(1e-14));
  CHECK(y(1, 3) == Approx(x(1, 3) * std::cos(1.0) + x(1, 0) * std::sin(1.0)).epsilon(1e-14));
}

TEMPLATE_TEST_CASE("rope: the interleaved pairing is the half-split one of permuted columns, bit for bit",
                   "[ops][rope]", float, double) {
  using T = TestType;
  Exec exec;
  const Tables<T> tables;
  Tensor<T, 2> x = random_tensor<T, 2>({2 * kS, kWidth}, "x"), permuted = x;
  const auto half_split = [](std::size_t j) {  // where column j of an interleaved head stands in a half-split one
    const std::size_t i = j % kHeadDim;
    return j - i + i / 2 + (i % 2) * kHeadDim / 2;
  };
  for (std::size_t t = 0; t < 2 * kS; ++t)
    for (std::size_t j = 0; j < kHeads * kHeadDim; ++j) permuted(t, half_split(j)) = x(t, j);
  rope_forward<T>(exec, x, kHeads, kS, tables.cos, tables.sin, RopePairing::kInterleaved);
  rope_forward<T>(exec, permuted, kHeads, kS, tables.cos, tables.sin, RopePairing::kHalfSplit);
  for (std::size_t t = 0; t < 2 * kS; ++t)
    for (std::size_t j = 0; j < kHeads * kHeadDim; ++j) CHECK(permuted(t, half_split(j)) == x(t, j));
}

TEST_CASE("rope: backward inverts forward and is its gradient; scores depend on the distance only",
          "[ops][rope][gradient]") {
  Exec exec;
  const Tables<double> tables;
  for (const RopePairing pairing : {RopePairing::kHalfSplit, RopePairing::kInterleaved}) {
    Tensor<double, 2> x = random_tensor<double, 2>({2 * kS, kWidth}, "x");
    const Tensor<double, 2> d_y = random_tensor<double, 2>({2 * kS, kWidth}, "d_y");
    Tensor<double, 2> y = x, d_x = d_y;
    rope_forward<double>(exec, y, kHeads, kS, tables.cos, tables.sin, pairing);
    rope_backward<double>(exec, y, kHeads, kS, tables.cos, tables.sin, pairing);
    CHECK(relative_error(values(x), values(y)) < 1e-15);
    rope_backward<double>(exec, d_x, kHeads, kS, tables.cos, tables.sin, pairing);
    CHECK_GRADIENT(x, d_x, [&] {
      y = x;
      rope_forward<double>(exec, y, kHeads, kS, tables.cos, tables.sin, pairing);
      return weighted_sum(y, d_y);
    });

    Tensor<double, 2> same = x;  // every position holds the row of position 0
    for (std::size_t i = 0; i < same.size(); ++i) same.data()[i] = x.data()[i % kWidth];
    rope_forward<double>(exec, same, kHeads, kS, tables.cos, tables.sin, pairing);
    const auto score = [&](std::size_t a, std::size_t b) {
      double sum = 0;
      for (std::size_t j = 0; j < kHeadDim; ++j) sum += same(a, j) * same(b, kHeadDim + j);
      return sum;
    };
    CHECK(score(4, 2) == Approx(score(3, 1)).epsilon(1e-13));
    CHECK(score(4, 2) != Approx(score(4, 1)).epsilon(1e-3));
  }
}

TEST_CASE("rope: bad shapes are refused with all of them", "[ops][rope]") {
  Exec exec;
  Tables<float> tables;
  Tensor<float, 2> x = make_tensor<float, 2>({kS, 11}), sin = make_tensor<float, 2>({kS, 2});
  CHECK_THROWS_WITH(rope_forward<float>(exec, x, 2, kS, tables.cos, tables.sin, RopePairing::kHalfSplit),
                    "rope_forward: 2 heads and seq_len 5 with cos [5, 3] ([S, head_dim / 2]) do not fit x [5, 11]");
  CHECK_THROWS_WITH(rope_backward<float>(exec, x, 1, 6, tables.cos, tables.sin, RopePairing::kHalfSplit),
                    "rope_backward: 1 heads and seq_len 6 with cos [5, 3] ([S, head_dim / 2]) do not fit x [5, 11]");
  CHECK_THROWS_WITH(rope_tables<float>(tables.cos, sin, 10000), "rope_tables: sin is [5, 2], expected [5, 3]");
}
