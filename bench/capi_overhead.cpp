// SPDX-License-Identifier: Apache-2.0
// What a training step costs through the C interface beside the same step in C++: the lab's MoE model, one thread, the
// two run in turns, so that both see the same machine. Prints the medians and their ratio.
#include <minimoe.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <minimoe/train/run_config.hpp>
#include <minimoe/train/token_batches.hpp>
#include <string>
#include <vector>

namespace {

constexpr int kRounds = 400;

void check(minimoe_status status, const minimoe_error& error) {
  if (status == MINIMOE_OK) return;
  std::fprintf(stderr, "%s\n", error.message);
  std::exit(1);
}

template <class Step>
double seconds(Step&& step) {
  const auto begin = std::chrono::steady_clock::now();
  step();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + kRounds / 2, values.end());
  return values[kRounds / 2];
}

}  // namespace

int main() {
  minimoe_error error{};
  minimoe_options options;
  check(minimoe_options_init(&options, sizeof(options), &error), error);
  options.num_threads = 1;
  std::string config(16384, '\0');
  std::size_t size = 0;
  check(minimoe_config_preset("lab", config.data(), config.size(), &size, &error), error);
  config.resize(size - 1);
  minimoe_dataset* dataset = nullptr;
  check(minimoe_dataset_open(config.data(), config.size(), &options, &dataset, &error), error);
  std::string fitted(16384, '\0');
  check(minimoe_dataset_fit_config(dataset, config.data(), config.size(), fitted.data(), fitted.size(), &size, &error),
        error);
  fitted.resize(size - 1);
  minimoe_model* model = nullptr;
  minimoe_trainer* trainer = nullptr;
  check(minimoe_model_create(fitted.data(), fitted.size(), &options, &model, &error), error);
  check(minimoe_trainer_create(model, dataset, fitted.data(), fitted.size(), &trainer, &error), error);

  const minimoe::RunConfig run = minimoe::parse_run_config(fitted);
  const auto source = minimoe::open_token_source(run.data);
  minimoe::Exec exec({.num_threads = 1});
  minimoe::MiniGPT<float> core_model(run.model);
  core_model.initialize(run.train.seed);
  const minimoe::TrainBatches batches(*source, run.train.seed, run.train.accumulation_steps);
  minimoe::Trainer<float> core_trainer(core_model, run.train, batches, exec);

  std::vector<double> through, direct;
  minimoe_step_metrics metrics{};
  double loss = 0;
  for (int i = 0; i < kRounds; ++i) {
    through.push_back(seconds([&] {
      check(minimoe_trainer_steps(trainer, 1, nullptr, &metrics, sizeof(metrics), 1, nullptr, &error), error);
    }));
    direct.push_back(seconds([&] { loss = core_trainer.train_step().loss; }));
    if (loss != metrics.loss) {
      std::fprintf(stderr, "step %d: loss %.17g through the C interface, %.17g directly\n", i + 1, metrics.loss, loss);
      return 1;
    }
  }
  const double a = median(through), b = median(direct);
  std::printf("lab MoE step, median of %d: C interface %.3f ms, C++ %.3f ms, ratio %.4f\n", kRounds, 1e3 * a, 1e3 * b,
              a / b);
  minimoe_trainer_free(trainer);
  minimoe_model_free(model);
  minimoe_dataset_free(dataset);
}
