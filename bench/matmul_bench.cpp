// SPDX-License-Identifier: Apache-2.0
// Matrix products at the shapes of the lab and mid models, beside the installed BLAS. Best of the repetitions, in
// GFLOP/s:
//   OPENBLAS_NUM_THREADS=1 build/bin/matmul_bench
//   OPENBLAS_NUM_THREADS=2 build/bin/matmul_bench --threads=2
#include <benchmark/benchmark.h>
#include <cblas.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "minimoe/core/matmul.hpp"
#include "minimoe/core/random.hpp"

namespace {

using namespace minimoe;

enum class Pass { kForward, kInputGradient, kWeightGradient };

// One linear layer on T tokens: Y = X W^T, dX = dY W, dW += dY^T X, with W [out, in].
struct Product {
  const char* size;
  const char* what;
  Pass pass;
  std::size_t tokens, in, out;

  std::size_t m() const { return pass == Pass::kWeightGradient ? out : tokens; }
  std::size_t n() const { return pass == Pass::kForward ? out : in; }
  std::size_t k() const { return pass == Pass::kForward ? in : pass == Pass::kInputGradient ? out : tokens; }
  std::string name() const { return concat(size, "/", what, "/", m(), "x", n(), "x", k()); }
};

std::vector<Product> products() {
  struct Layer {
    const char* size;
    std::size_t tokens, in, out;
  };
  const Layer layers[] = {{"lab", 1024, 64, 64},   {"lab", 1024, 64, 256},   {"lab", 512, 64, 256},
                          {"lab", 1024, 256, 64},  {"narrow", 1024, 64, 4},  {"narrow", 1024, 64, 16},
                          {"mid", 2048, 512, 512}, {"mid", 2048, 512, 1024}, {"mid", 2048, 1024, 512},
                          {"mid", 2048, 512, 8192}};
  std::vector<Product> list;
  for (const Layer& l : layers) {
    list.push_back({l.size, "forward", Pass::kForward, l.tokens, l.in, l.out});
    list.push_back({l.size, "d_input", Pass::kInputGradient, l.tokens, l.in, l.out});
    list.push_back({l.size, "d_weight", Pass::kWeightGradient, l.tokens, l.in, l.out});
  }
  return list;
}

Tensor<float, 2> random_matrix(std::size_t rows, std::size_t columns) {
  Tensor<float, 2> x = make_tensor<float, 2>({rows, columns});
  const RandomStream stream(1, "bench");
  for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(stream.uniform(i) - 0.5);
  return x;
}

struct Operands {
  Transpose turn_a, turn_b;
  Accumulate add;
  Tensor<float, 2> a, b, c;
};

Operands operands(const Product& p) {
  const bool turn_a = p.pass == Pass::kWeightGradient, turn_b = p.pass == Pass::kForward;
  return {turn_a ? Transpose::kYes : Transpose::kNo,
          turn_b ? Transpose::kYes : Transpose::kNo,
          p.pass == Pass::kWeightGradient ? Accumulate::kYes : Accumulate::kNo,
          turn_a ? random_matrix(p.k(), p.m()) : random_matrix(p.m(), p.k()),
          turn_b ? random_matrix(p.n(), p.k()) : random_matrix(p.k(), p.n()),
          random_matrix(p.m(), p.n())};
}

void set_rate(benchmark::State& state, const Product& p) {
  state.counters["GFLOP/s"] = benchmark::Counter(2e-9 * static_cast<double>(p.m() * p.n() * p.k()),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

void run_native(benchmark::State& state, const Product& p, const ExecOptions& options) {
  Exec exec(options);
  Operands o = operands(p);
  for (auto _ : state) matmul<float>(exec, o.c, o.a, o.turn_a, o.b, o.turn_b, o.add);
  set_rate(state, p);
}

void run_blas(benchmark::State& state, const Product& p) {
  Operands o = operands(p);
  const auto size = [](std::size_t n) { return static_cast<int>(n); };
  for (auto _ : state) {
    cblas_sgemm(CblasRowMajor, o.turn_a == Transpose::kYes ? CblasTrans : CblasNoTrans,
                o.turn_b == Transpose::kYes ? CblasTrans : CblasNoTrans, size(p.m()), size(p.n()), size(p.k()), 1.0f,
                o.a.data(), size(o.a.shape(1)), o.b.data(), size(o.b.shape(1)), o.add == Accumulate::kYes ? 1.0f : 0.0f,
                o.c.data(), size(p.n()));
  }
  set_rate(state, p);
}

// Keeps the best repetition of each product and closes with harmonic means, the figure that a sum of times follows.
class BestReporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred || run.run_type != Run::RT_Iteration) continue;
      double& best = best_[run.run_name.function_name];
      best = std::max(best, run.counters.at("GFLOP/s").value);
    }
  }
  void Finalize() override {
    std::printf("%-36s %10s %10s\n", "GFLOP/s", "native", "blas");
    std::map<std::string, std::vector<std::pair<double, double>>> groups;
    for (const Product& p : products()) {
      const double native = best_["native/" + p.name()], blas = best_["blas/" + p.name()];
      if (native == 0 && blas == 0) continue;
      std::printf("%-36s %10.1f %10.1f\n", p.name().c_str(), native, blas);
      groups[p.size].emplace_back(native, blas);
    }
    for (const auto& [size, rates] : groups) {
      double native = 0, blas = 0;
      for (const auto& rate : rates) native += 1 / rate.first, blas += 1 / rate.second;
      const auto count = static_cast<double>(rates.size());
      std::printf("%-36s %10.1f %10.1f\n", (size + " harmonic mean").c_str(), count / native, count / blas);
    }
  }

 private:
  std::map<std::string, double> best_;
};

}  // namespace

int main(int argc, char** argv) {
  ExecOptions options{.num_threads = 1};
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--threads=")) options.num_threads = std::atoi(argv[i] + 10);
    if (argument.starts_with("--set=")) options.instruction_set = instruction_set_from_name(argv[i] + 6);
  }
  for (const Product& p : products()) {
    for (auto* one : {benchmark::RegisterBenchmark(("native/" + p.name()).c_str(), run_native, p, options),
                      benchmark::RegisterBenchmark(("blas/" + p.name()).c_str(), run_blas, p)}) {
      // One thread is judged by its CPU time, which a busy machine disturbs less.
      if (options.num_threads != 1) one->UseRealTime();
    }
  }
  std::vector<char*> arguments(argv, argv + argc);
  std::string defaults[] = {"--benchmark_repetitions=20", "--benchmark_min_time=0.01",
                            "--benchmark_enable_random_interleaving=true"};
  for (std::string& text : defaults) arguments.insert(arguments.begin() + 1, text.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  BestReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
}
