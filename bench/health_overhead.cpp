// SPDX-License-Identifier: Apache-2.0
// What it costs to watch the routers of a lab run: the history that a trainer keeps, beside the step itself, one
// thread. Prints the medians and their ratio, and what one report costs, which is paid only when it is asked for.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <minimoe/analysis/health.hpp>
#include <minimoe/analysis/routing_history.hpp>
#include <minimoe/train/run_config.hpp>
#include <minimoe/train/token_batches.hpp>
#include <vector>

namespace {

constexpr int kSteps = 200;
constexpr int kAddsAStep = 100;  // one is too short for the clock

template <class Work>
double seconds(Work&& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

int main() {
  minimoe::RunConfig run = minimoe::lab_preset();
  const auto source = minimoe::open_token_source(run.data);
  run.model.vocab_size = source->vocab_size();
  run.train.steps = kSteps;
  minimoe::Exec exec({.num_threads = 1});
  minimoe::MiniGPT<float> model(run.model);
  model.initialize(run.train.seed);
  const minimoe::TrainBatches batches(*source, run.train.seed, run.train.accumulation_steps);
  minimoe::Trainer<float> trainer(model, run.train, batches, exec);
  minimoe::RoutingHistory history(run.model.moe_layers.size(), run.model.moe.num_experts);

  std::vector<double> steps, adds;
  for (int i = 0; i < kSteps; ++i) {
    steps.push_back(seconds([&] { trainer.train_step(); }));
    adds.push_back(seconds([&] {
      for (int k = 0; k < kAddsAStep; ++k) history.add(trainer.step() * kAddsAStep + k, trainer.routing());
    }));
  }
  minimoe::HealthReport report;
  const double asked =
      seconds([&] { report = minimoe::check_health(history.layers(run.model.moe.top_k, run.model.moe_layers)); });
  const double step = median(steps), add = median(adds) / kAddsAStep;
  std::printf(
      "lab MoE step, median of %d: %.3f ms; history of a step: %.3f us, %.4f %% of it; a report: %.3f ms (%s)\n",
      kSteps, 1e3 * step, 1e6 * add, 100 * add / step, 1e3 * asked, minimoe::verdict_name(report.verdict));
}
