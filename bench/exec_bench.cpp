// SPDX-License-Identifier: Apache-2.0
// What a parallel loop costs when its body does nothing: a hot fork and join, one chunk a thread.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "minimoe/core/exec.hpp"

namespace {

void fork_join(benchmark::State& state) {
  minimoe::Exec exec({.num_threads = static_cast<int>(state.range(0))});
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto body = [](std::size_t begin, std::size_t, int) { benchmark::DoNotOptimize(begin); };
  for (auto _ : state) exec.parallel_for(count, 1, body);
}
BENCHMARK(fork_join)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->MinTime(0.001)
    ->Repetitions(200)
    ->ReportAggregatesOnly()
    ->ComputeStatistics("min", [](const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); });

}  // namespace

BENCHMARK_MAIN();
