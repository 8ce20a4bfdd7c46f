// SPDX-License-Identifier: Apache-2.0
#include "fma_peak.hpp"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "machine.hpp"

namespace cli {

namespace {

constexpr int kChains = 12;  // hides the latency of two units, and leaves registers free
constexpr int kRounds = 1 << 12;
// Many short tries, of which some fall between the time slices of other programs.
constexpr int kTries = 100;
constexpr double kTrySeconds = 0.0005;

/// Runs kRounds rounds of kChains multiply-adds of its vectors.
using Kernel = float (*)(float factor);

struct Peak {
  Kernel kernel;
  int lanes;
};

// Every chain starts elsewhere, so that none of them is another's.
#define MINIMOE_FMA_KERNEL(name, attribute, Vector, splat, fma)                                     \
  attribute float name(float factor) {                                                              \
    const Vector f = splat(factor);                                                                 \
    Vector c0 = splat(0.F), c1 = splat(1.F), c2 = splat(2.F), c3 = splat(3.F), c4 = splat(4.F);     \
    Vector c5 = splat(5.F), c6 = splat(6.F), c7 = splat(7.F), c8 = splat(8.F), c9 = splat(9.F);     \
    Vector ca = splat(10.F), cb = splat(11.F);                                                      \
    for (int i = 0; i < kRounds; ++i) {                                                             \
      c0 = fma(c0, f, f), c1 = fma(c1, f, f), c2 = fma(c2, f, f), c3 = fma(c3, f, f);               \
      c4 = fma(c4, f, f), c5 = fma(c5, f, f), c6 = fma(c6, f, f), c7 = fma(c7, f, f);               \
      c8 = fma(c8, f, f), c9 = fma(c9, f, f), ca = fma(ca, f, f), cb = fma(cb, f, f);               \
    }                                                                                               \
    const Vector sum = ((c0 + c1) + (c2 + c3)) + ((c4 + c5) + (c6 + c7)) + ((c8 + c9) + (ca + cb)); \
    return sum[0];                                                                                  \
  }

#if defined(__x86_64__)
MINIMOE_FMA_KERNEL(fma_avx512, __attribute__((target("avx512f"))), __m512, _mm512_set1_ps, _mm512_fmadd_ps)
MINIMOE_FMA_KERNEL(fma_avx2, __attribute__((target("avx2,fma"))), __m256, _mm256_set1_ps, _mm256_fmadd_ps)
#endif

typedef float Four __attribute__((vector_size(16)));
inline Four splat_four(float value) { return Four{value, value, value, value}; }
inline Four multiply_add(Four a, Four b, Four c) { return a * b + c; }
MINIMOE_FMA_KERNEL(fma_plain, , Four, splat_four, multiply_add)

Peak best_kernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {fma_avx512, 16};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {fma_avx2, 8};
#endif
  return {fma_plain, 4};
}

}  // namespace

double fma_peak_gflops(int num_threads) {
  const Peak peak = best_kernel();
  const double flops = 2.0 * kChains * kRounds * peak.lanes;
  double best = 0;
  for (int tried = 0; tried < kTries; ++tried) {
    std::atomic<int> started{0};
    std::vector<double> rates(static_cast<std::size_t>(num_threads));
    const auto run = [&](double& rate) {
      ++started;
      while (started < num_threads) std::this_thread::yield();  // all at once, or it is not the peak of all
      volatile float sink = 0;
      std::int64_t calls = 0;
      const double begin = wall_seconds();
      double now = begin;
      for (; now < begin + kTrySeconds; now = wall_seconds(), ++calls) sink = peak.kernel(0.5F);
      static_cast<void>(sink);
      rate = flops * static_cast<double>(calls) / (now - begin);
    };
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < rates.size(); ++i) others.emplace_back(run, std::ref(rates[i]));
    run(rates[0]);
    for (std::thread& other : others) other.join();
    double sum = 0;
    for (const double rate : rates) sum += rate;
    best = std::max(best, sum);
  }
  return best * 1e-9;
}

}  // namespace cli
