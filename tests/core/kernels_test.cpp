// SPDX-License-Identifier: Apache-2.0
#include "core/simd/kernels.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "minimoe/core/exec.hpp"
#include "minimoe/core/random.hpp"
#include "support/catch.hpp"

using namespace minimoe;

TEMPLATE_TEST_CASE("kernels: add_into changes exactly its n elements on every instruction set", "[kernels]", float,
                   double) {
  for (const InstructionSet set : available_instruction_sets()) {
    INFO(instruction_set_name(set));
    const Exec exec({.num_threads = 1, .instruction_set = set});
    for (std::size_t n = 0; n < 70; ++n) {
      std::vector<TestType> y(n + 40, 1), x(n);  // x ends where it ends: reading further is for the sanitizer to see
      for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<TestType>(i);
      exec.kernels<TestType>().add_into(y.data(), x.data(), n);
      for (std::size_t i = 0; i < y.size(); ++i) REQUIRE(y[i] == static_cast<TestType>(i < n ? i + 1 : 1));
    }
  }
}

TEMPLATE_TEST_CASE("kernels: gemm takes any depth, strides and row pitch, and adds where asked", "[kernels]", float,
                   double) {
  using T = TestType;
  const RandomStream stream(5, "gemm");
  for (const InstructionSet set : available_instruction_sets()) {
    const Exec exec({.num_threads = 1, .instruction_set = set});
    const GemmKernels<T>& gemm = exec.kernels<T>().gemm;
    constexpr std::size_t M = 15, N = 21, K = 600, kPitch = 30;  // K: more than two blocks
    struct Strides {
      std::size_t a_row, a_k, b_k, b_n;
    };
    for (const Strides s :
         {Strides{K, 1, N, 1}, Strides{1, M, 1, K}, Strides{2 * K, 2, 3 * N, 3}, Strides{3, 3 * M, 2, 2 * K}}) {
      Tensor<T, 1> a = make_tensor<T, 1>({2 * M * K + 3 * M * K}), b = make_tensor<T, 1>({5 * N * K});
      for (std::size_t i = 0; i < a.size(); ++i) a(i) = static_cast<T>(stream.uniform(i) - 0.5);
      for (std::size_t i = 0; i < b.size(); ++i) b(i) = static_cast<T>(stream.uniform(i + a.size()) - 0.5);
      Tensor<T, 1> packed = make_tensor<T, 1>({gemm.packed_b_size(K, N)}),
                   scratch = make_tensor<T, 1>({gemm.packed_a_size});
      gemm.pack_b(packed.data(), b.data(), s.b_k, s.b_n, K, N);
      for (const bool accumulate : {false, true}) {
        for (const bool copying : {false, true}) {
          if (copying && s.a_row != 1 && s.a_k != 1) continue;
          INFO(instruction_set_name(set) << " strides " << s.a_row << ' ' << s.a_k << " accumulate " << accumulate);
          Tensor<T, 1> c = make_tensor<T, 1>({M * kPitch});
          c.fill(T{7});
          const Addend<T> add = accumulate ? Addend<T>{c.data(), kPitch} : Addend<T>{};
          if (copying) {
            gemm.gemm_copying(c.data(), kPitch, a.data(), s.a_row, s.a_k, packed.data(), M, N, K, add, scratch.data());
          } else {
            gemm.gemm(c.data(), kPitch, a.data(), s.a_row, s.a_k, packed.data(), M, N, K, add);
          }
          for (std::size_t m = 0; m < M; ++m) {
            for (std::size_t n = 0; n < kPitch; ++n) {
              double sum = n < N && !accumulate ? 0 : 7, scale = 8;
              for (std::size_t k = 0; n < N && k < K; ++k) {
                const double term =
                    static_cast<double>(a(m * s.a_row + k * s.a_k)) * static_cast<double>(b(k * s.b_k + n * s.b_n));
                sum += term;
                scale += std::abs(term);
              }
              REQUIRE(std::abs(static_cast<double>(c(m * kPitch + n)) - sum) <=
                      8 * scale * static_cast<double>(std::numeric_limits<T>::epsilon()));
            }
          }
        }
      }
    }
  }
}
