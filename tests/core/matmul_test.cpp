// SPDX-License-Identifier: Apache-2.0
#include "minimoe/core/matmul.hpp"

#include <cstring>
#include <xtensor-blas/xlinalg.hpp>

#include "minimoe/core/packed_weights.hpp"
#include "minimoe/core/random.hpp"
#include "support/allocation_counter.hpp"
#include "support/catch.hpp"

using namespace minimoe;

namespace {

constexpr Transpose kTransposes[] = {Transpose::kNo, Transpose::kYes};

template <class T>
Tensor<T, 2> random_matrix(std::size_t rows, std::size_t columns, const char* name) {
  Tensor<T, 2> x = make_tensor<T, 2>({rows, columns});
  const RandomStream stream(3, name);
  for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<T>(stream.uniform(i) * 2 - 1);
  return x;
}

template <class T>
bool same_bits(const Tensor<T, 2>& x, const Tensor<T, 2>& y) {
  return x.shape() == y.shape() && std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0;
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
      for (const Transpose ta : kTransposes) {
        for (const Transpose tb : kTransposes) {
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

TEMPLATE_TEST_CASE("matmul: a row has the same bits alone, in a block and in the whole", "[matmul]", float, double) {
  using T = TestType;
  constexpr std::size_t M = 53, N = 77, K = 300;
  for (const InstructionSet set : available_instruction_sets()) {
    Exec exec({.num_threads = 1, .instruction_set = set});
    for (const Transpose ta : kTransposes) {
      for (const Transpose tb : kTransposes) {
        const bool turn_a = ta == Transpose::kYes;
        const Tensor<T, 2> a = turn_a ? random_matrix<T>(K, M, "a") : random_matrix<T>(M, K, "a");
        const Tensor<T, 2> b = tb == Transpose::kYes ? random_matrix<T>(N, K, "b") : random_matrix<T>(K, N, "b");
        Tensor<T, 2> whole = make_tensor<T, 2>({M, N});
        matmul<T>(exec, whole, a, ta, b, tb);
        for (const std::size_t rows : {1, 2, 5, 11, 12, 13, 40}) {
          const std::size_t first = (7 * rows) % (M - rows);
          Tensor<T, 2> part_a = turn_a ? make_tensor<T, 2>({K, rows}) : make_tensor<T, 2>({rows, K});
          for (std::size_t m = 0; m < rows; ++m) {
            for (std::size_t k = 0; k < K; ++k) {
              if (turn_a) part_a(k, m) = a(k, first + m);
              if (!turn_a) part_a(m, k) = a(first + m, k);
            }
          }
          Tensor<T, 2> part = make_tensor<T, 2>({rows, N});
          matmul<T>(exec, part, part_a, ta, b, tb);
          INFO(instruction_set_name(set) << " rows " << rows);
          REQUIRE(std::memcmp(part.data(), whole.data() + first * N, rows * N * sizeof(T)) == 0);
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("matmul: one row times a transposed matrix has the bits that it has among others", "[matmul]", float,
                   double) {
  using T = TestType;
  // Fewer columns than a vector, whole tiles and not, depths within and across blocks, tasks that are shared out.
  const std::array<std::size_t, 2> sizes[] = {{1, 1},     {3, 17},    {8, 512},   {16, 16},  {31, 256},
                                              {32, 257},  {33, 31},   {47, 600},  {70, 513}, {300, 64},
                                              {37, 5000}, {1000, 96}, {2050, 520}};
  for (const InstructionSet set : available_instruction_sets()) {
    for (const auto& [N, K] : sizes) {
      const Tensor<T, 2> a = random_matrix<T>(2, K, "a"), b = random_matrix<T>(N, K, "b"),
                         bias = random_matrix<T>(1, N, "bias");
      for (const In<T, 1>& add : {In<T, 1>(), In<T, 1>(bias.data(), {N})}) {
        Exec serial({.num_threads = 1, .instruction_set = set});
        Tensor<T, 2> both = make_tensor<T, 2>({2, N});
        matmul_with_bias<T>(serial, both, a, Transpose::kNo, b, Transpose::kYes, add);
        for (const int num_threads : {1, 2, 3, 8}) {
          Exec exec({.num_threads = num_threads, .instruction_set = set});
          std::vector<T> alone(N + 64, std::numeric_limits<T>::quiet_NaN());
          matmul_with_bias<T>(exec, View<T, 2>(alone.data() + 32, {1, N}), In<T, 2>(a.data() + K, {1, K}),
                              Transpose::kNo, b, Transpose::kYes, add);
          INFO(instruction_set_name(set) << " N " << N << " K " << K << " threads " << num_threads);
          REQUIRE(std::memcmp(alone.data() + 32, both.data() + N, N * sizeof(T)) == 0);
          REQUIRE((std::isnan(alone[31]) && std::isnan(alone[32 + N])));

          const PackedWeights<T> packed(exec, {In<T, 2>(b.data(), {N, K})});
          REQUIRE(packed.memory_bytes() >= N * K * sizeof(T));
          std::vector<T> again(N + 64, std::numeric_limits<T>::quiet_NaN());
          {
            const PackedWeightsScope<T> scope(exec, &packed);
            matmul_with_bias<T>(exec, View<T, 2>(again.data() + 32, {1, N}), In<T, 2>(a.data() + K, {1, K}),
                                Transpose::kNo, b, Transpose::kYes, add);
          }
          REQUIRE(std::memcmp(again.data(), alone.data(), again.size() * sizeof(T)) == 0);
        }
      }
    }
  }
}

TEST_CASE("matmul: packed weights stand for the matrix that they were made of and for no other", "[matmul]") {
  constexpr std::size_t N = 40, K = 24;
  const Tensor<float, 2> a = random_matrix<float>(1, K, "a");
  Tensor<float, 2> b = random_matrix<float>(N, K, "b");
  Exec exec({.num_threads = 1});
  const auto product = [&](std::size_t columns, std::size_t depth) {
    std::vector<float> c(columns);
    matmul<float>(exec, View<float, 2>(c.data(), {1, columns}), In<float, 2>(a.data(), {1, depth}), Transpose::kNo,
                  In<float, 2>(b.data(), {columns, depth}), Transpose::kYes);
    return c;
  };
  const std::vector<float> old = product(N, K), fewer = product(N - 1, K), other_shape = product(K, N - 20);
  const PackedWeights<float> packed(exec, {In<float, 2>(b.data(), {N, K})});
  b.data()[0] += 1;  // what no user may do: it shows where values come from
  CHECK(product(N, K) != old);
  {
    const PackedWeightsScope<float> scope(exec, &packed);
    CHECK(product(N, K) == old);
    CHECK(product(N - 1, K) != fewer);
    CHECK(product(K, N - 20) != other_shape);
    const PackedWeightsScope<float> none(exec, nullptr);
    CHECK(product(N, K) != old);
  }
  CHECK(product(N, K) != old);
  if (available_instruction_sets().size() > 1) {
    Exec scalar({.num_threads = 1, .instruction_set = InstructionSet::kScalar});
    CHECK_FALSE(packed.find(scalar.instruction_set(), In<float, 2>(b.data(), {N, K})));
  }
}

TEMPLATE_TEST_CASE("matmul: the bits do not depend on the number of threads", "[matmul]", float, double) {
  using T = TestType;
  const std::array<std::size_t, 3> sizes[] = {{64, 2500, 600}, {64, 64, 3000},  {257, 64, 1024},
                                              {1000, 4, 64},   {128, 48, 9000}, {1, 4096, 512}};
  for (const auto& [M, N, K] : sizes) {
    for (const Transpose ta : kTransposes) {
      const Tensor<T, 2> a = ta == Transpose::kYes ? random_matrix<T>(K, M, "a") : random_matrix<T>(M, K, "a");
      const Tensor<T, 2> b = random_matrix<T>(N, K, "b");
      const Tensor<T, 2> start = random_matrix<T>(M, N, "c");
      Tensor<T, 2> expected;
      for (const int num_threads : {1, 2, 3, 8}) {
        Exec exec({.num_threads = num_threads});
        Tensor<T, 2> c = start;
        matmul<T>(exec, c, a, ta, b, Transpose::kYes, Accumulate::kYes);
        if (num_threads == 1) expected = c;
        INFO(M << " x " << N << " x " << K << ", " << num_threads << " threads");
        REQUIRE(same_bits(c, expected));
      }
    }
  }
}

TEMPLATE_TEST_CASE("matmul: the same bits whether B is packed or read where it lies", "[matmul]", float, double) {
  using T = TestType;
  constexpr std::size_t M = 300, N = 64, K = 700;  // B is packed for more than 256 rows
  const Tensor<T, 2> a = random_matrix<T>(M, K, "a"), a_turned = random_matrix<T>(K, M, "a'"),
                     b = random_matrix<T>(K, N, "b"), start = random_matrix<T>(M, N, "c");
  for (const InstructionSet set : available_instruction_sets()) {
    for (const Transpose turn : kTransposes) {
      Exec exec({.num_threads = 1, .instruction_set = set});
      Tensor<T, 2> whole = start;
      const In<T, 2> left = turn == Transpose::kYes ? In<T, 2>(a_turned) : In<T, 2>(a);
      matmul<T>(exec, whole, left, turn, b, Transpose::kNo, Accumulate::kYes);
      for (const int num_threads : {1, 2, 3, 8}) {
        Exec of_part({.num_threads = num_threads, .instruction_set = set});
        for (const std::size_t rows : {1, 13, 256}) {
          Tensor<T, 2> part = make_tensor<T, 2>({rows, N}), part_a = make_tensor<T, 2>({rows, K}),
                       part_turned = make_tensor<T, 2>({K, rows});
          std::copy_n(start.data(), part.size(), part.data());
          for (std::size_t m = 0; m < rows; ++m) {
            for (std::size_t k = 0; k < K; ++k) {
              part_a(m, k) = a(m, k);
              part_turned(k, m) = a_turned(k, m);
            }
          }
          const In<T, 2> part_left = turn == Transpose::kYes ? In<T, 2>(part_turned) : In<T, 2>(part_a);
          matmul<T>(of_part, part, part_left, turn, b, Transpose::kNo, Accumulate::kYes);
          INFO(instruction_set_name(set) << " rows " << rows << " threads " << num_threads);
          REQUIRE(std::memcmp(part.data(), whole.data(), part.size() * sizeof(T)) == 0);
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("matmul_with_bias: the product accumulated onto the bias in every row, bit for bit", "[matmul]",
                   float, double) {
  using T = TestType;
  const std::array<std::size_t, 3> sizes[] = {{1, 5, 3}, {40, 33, 600}, {300, 64, 700}, {5, 3000, 1100}, {64, 64, 0}};
  std::vector<MatmulBackend> backends = {MatmulBackend::kNative};
#if defined(MINIMOE_WITH_BLAS)
  backends.push_back(MatmulBackend::kBlas);
#endif
  for (const MatmulBackend backend : backends) {
    Exec exec({.num_threads = 2, .matmul_backend = backend});
    for (const auto& [M, N, K] : sizes) {
      for (const Transpose turn : kTransposes) {
        const Tensor<T, 2> a = random_matrix<T>(M, K, "a"), bias = random_matrix<T>(1, N, "bias");
        const Tensor<T, 2> b = turn == Transpose::kYes ? random_matrix<T>(N, K, "b") : random_matrix<T>(K, N, "b");
        Tensor<T, 2> expected = make_tensor<T, 2>({M, N}), found = random_matrix<T>(M, N, "c"), without = expected;
        for (std::size_t m = 0; m < M; ++m) std::copy_n(bias.data(), N, expected.data() + m * N);
        matmul<T>(exec, expected, a, Transpose::kNo, b, turn, Accumulate::kYes);
        matmul_with_bias<T>(exec, found, a, Transpose::kNo, b, turn, In<T, 1>(bias.data(), {N}));
        INFO(M << " x " << N << " x " << K);
        CHECK(same_bits(found, expected));
        matmul<T>(exec, expected, a, Transpose::kNo, b, turn);
        matmul_with_bias<T>(exec, without, a, Transpose::kNo, b, turn, In<T, 1>());
        CHECK(same_bits(without, expected));
      }
    }
  }
  Exec exec({.num_threads = 1});
  const Tensor<T, 2> a = random_matrix<T>(2, 3, "a"), b = random_matrix<T>(3, 4, "b");
  Tensor<T, 2> c = make_tensor<T, 2>({2, 4});
  CHECK_THROWS_WITH(matmul_with_bias<T>(exec, c, a, Transpose::kNo, b, Transpose::kNo, In<T, 1>(b.data(), {3})),
                    "matmul: bias is [3], expected [4]");
}

TEMPLATE_TEST_CASE("matmul_and_finish: every element is handed over once, complete", "[matmul]", float, double) {
  using T = TestType;
  struct Size {
    std::size_t M, N, K;
    Transpose transpose_b;
  };
  // Packed in one and in several rounds of columns and of k, B read where it lies, an empty sum.
  for (const auto& [M, N, K, transpose_b] :
       {Size{37, 70, 9, Transpose::kYes}, Size{40, 64, 300, Transpose::kNo}, Size{13, 33, 600, Transpose::kYes},
        Size{24, 2600, 1100, Transpose::kNo}, Size{3, 8300, 260, Transpose::kNo}, Size{5, 7, 0, Transpose::kNo}}) {
    const Tensor<T, 2> a = random_matrix<T>(M, K, "a"), bias = random_matrix<T>(1, N, "bias");
    const Tensor<T, 2> b = transpose_b == Transpose::kYes ? random_matrix<T>(N, K, "b") : random_matrix<T>(K, N, "b");
    const In<T, 1> bias_view(bias.data(), {N});
    for (const int num_threads : {1, 3}) {
      Exec exec({.num_threads = num_threads});
      Tensor<T, 2> expected = make_tensor<T, 2>({M, N}), c = make_tensor<T, 2>({M, N}),
                   seen = make_tensor<T, 2>({M, N});
      matmul_with_bias<T>(exec, expected, a, Transpose::kNo, b, transpose_b, bias_view);
      const auto finish = [&](const MatmulPart& part) {
        for (std::size_t m = part.row_begin; m < part.row_end; ++m) {
          for (std::size_t n = part.column_begin; n < part.column_end; ++n) seen(m, n) += c(m, n) + 1;
        }
      };
      matmul_and_finish<T>(exec, c, a, Transpose::kNo, b, transpose_b, bias_view, finish);
      INFO("M " << M << " N " << N << " K " << K << " threads " << num_threads);
      REQUIRE(same_bits(c, expected));
      bool complete = true;
      for (std::size_t i = 0; i < c.size(); ++i) complete = complete && seen.data()[i] == c.data()[i] + 1;
      REQUIRE(complete);
    }
  }
}

TEST_CASE("matmul: writes C and nothing beside it, and reads nothing of C unless it accumulates", "[matmul]") {
  for (const InstructionSet set : available_instruction_sets()) {
    Exec exec({.num_threads = 1, .instruction_set = set});
    for (std::size_t N = 1; N < 40; ++N) {
      constexpr std::size_t M = 5, K = 3, kMargin = 64;
      const Tensor<float, 2> a = random_matrix<float>(M, K, "a"), b = random_matrix<float>(K, N, "b");
      std::vector<float> storage(M * N + 2 * kMargin, std::numeric_limits<float>::quiet_NaN());
      matmul<float>(exec, View<float, 2>(storage.data() + kMargin, {M, N}), a, Transpose::kNo, b, Transpose::kNo);
      for (std::size_t i = 0; i < storage.size(); ++i) {
        const bool inside = i >= kMargin && i < kMargin + M * N;
        REQUIRE(std::isnan(storage[i]) != inside);
      }
    }
  }
}

TEST_CASE("matmul: an empty sum is zero, an empty result is nothing", "[matmul]") {
  Exec exec({.num_threads = 2});
  Tensor<float, 2> c = random_matrix<float>(3, 4, "c");
  const Tensor<float, 2> before = c, a = make_tensor<float, 2>({3, 0}), b = make_tensor<float, 2>({0, 4});
  matmul<float>(exec, c, a, Transpose::kNo, b, Transpose::kNo, Accumulate::kYes);
  CHECK(same_bits(c, before));
  matmul<float>(exec, c, a, Transpose::kNo, b, Transpose::kNo);
  CHECK(same_bits(c, make_tensor<float, 2>({3, 4})));
  Tensor<float, 2> none = make_tensor<float, 2>({0, 4});
  const Tensor<float, 2> no_rows = make_tensor<float, 2>({0, 2}), full = make_tensor<float, 2>({2, 4});
  CHECK_NOTHROW(matmul<float>(exec, none, no_rows, Transpose::kNo, full, Transpose::kNo));
}

TEST_CASE("matmul: a NaN or infinity in an input reaches exactly the results that it belongs to", "[matmul]") {
  Exec exec({.num_threads = 1});
  Tensor<float, 2> a = random_matrix<float>(30, 20, "a"), c = make_tensor<float, 2>({30, 35});
  const Tensor<float, 2> b = random_matrix<float>(20, 35, "b");
  a(17, 3) = std::numeric_limits<float>::infinity();
  matmul<float>(exec, c, a, Transpose::kNo, b, Transpose::kNo);
  for (std::size_t m = 0; m < 30; ++m) {
    for (std::size_t n = 0; n < 35; ++n) REQUIRE(std::isfinite(c(m, n)) == (m != 17));
  }
}

TEST_CASE("matmul: shapes that disagree are refused with all three", "[matmul]") {
  Exec exec({.num_threads = 1});
  Tensor<float, 2> c = make_tensor<float, 2>({2, 4}), x = make_tensor<float, 2>({2, 3}),
                   y = make_tensor<float, 2>({5, 4});
  CHECK_THROWS_WITH(matmul<float>(exec, c, x, Transpose::kNo, y, Transpose::kNo),
                    ContainsSubstring("[2, 4]") && ContainsSubstring("[2, 3]") && ContainsSubstring("[5, 4]"));
  CHECK_THROWS_WITH(matmul<float>(exec, c, x, Transpose::kYes, y, Transpose::kNo),
                    ContainsSubstring("[2, 4]") && ContainsSubstring("[2, 3]") && ContainsSubstring("[5, 4]") &&
                        ContainsSubstring("transposed"));
  const Tensor<float, 2> right = make_tensor<float, 2>({4, 3});
  CHECK_NOTHROW(matmul<float>(exec, c, x, Transpose::kNo, right, Transpose::kYes));
  CHECK_THROWS_AS(matmul<float>(exec, c, x, Transpose::kNo, right, Transpose::kNo), Error);
  Tensor<float, 2> square = make_tensor<float, 2>({3, 3});
  CHECK_THROWS_WITH(matmul<float>(exec, square, square, Transpose::kNo, square, Transpose::kNo),
                    ContainsSubstring("overlaps"));
}

TEST_CASE("matmul: allocates nothing after the first call", "[matmul]") {
  Exec exec({.num_threads = 3});
  const Tensor<float, 2> a = random_matrix<float>(200, 300, "a"), b = random_matrix<float>(100, 300, "b");
  Tensor<float, 2> c = make_tensor<float, 2>({200, 100});
  matmul<float>(exec, c, a, Transpose::kNo, b, Transpose::kYes);
  const std::uint64_t before = minimoe_test::num_allocations();
  for (int i = 0; i < 10; ++i) matmul<float>(exec, c, a, Transpose::kNo, b, Transpose::kYes);
  CHECK(minimoe_test::num_allocations() == before);
}

#if defined(MINIMOE_WITH_BLAS)
TEMPLATE_TEST_CASE("matmul: the BLAS backend keeps the contract of the native one", "[matmul]", float, double) {
  Exec native({.num_threads = 1}), blas({.num_threads = 1, .matmul_backend = MatmulBackend::kBlas});
  const double bound = 8 * static_cast<double>(std::numeric_limits<TestType>::epsilon());
  for (const Transpose ta : kTransposes) {
    for (const Transpose tb : kTransposes) {
      for (const Accumulate add : {Accumulate::kNo, Accumulate::kYes}) {
        for (const std::size_t n : {1, 2, 17, 64}) {
          CHECK(error_of<TestType>(blas, n, 13, 9, ta, tb, add) < bound);
          CHECK(error_of<TestType>(blas, 13, n, 9, ta, tb, add) < bound);
          CHECK(error_of<TestType>(blas, 13, 9, n, ta, tb, add) < bound);
        }
      }
    }
  }
}
#endif

TEST_CASE("matmul: refused inside parallel_for of the same Exec, whose scratch it needs", "[matmul]") {
  ExecOptions options;
  options.num_threads = GENERATE(1, 2);
  Exec exec(options);
  Tensor<float, 2> a = make_tensor<float, 2>({4, 4}), c = make_tensor<float, 2>({4, 4});
  const auto nested = [&] {
    exec.parallel_for(
        2, 1, [&](std::size_t, std::size_t, int) { matmul<float>(exec, c, a, Transpose::kNo, a, Transpose::kNo); });
  };
  CHECK_THROWS_WITH(nested(), ContainsSubstring("inside parallel_for"));
  CHECK_NOTHROW(matmul<float>(exec, c, a, Transpose::kNo, a, Transpose::kNo));
}
