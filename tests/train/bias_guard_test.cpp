// SPDX-License-Identifier: Apache-2.0
#include "train/bias_guard.hpp"

#include "support/catch.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

// After 12 steps; the guard looks at 10.
std::string warning_of(ModelConfig config, double head_start, std::int64_t pause_at = 0) {
  config.moe.router_bias = true;
  config.moe.router_bias_init = {head_start, 0, 0, 0};
  config.moe.router_init_std = 0.02;
  const ToyBatches batches(11);
  Exec exec;
  MiniGPT<float> model(config);
  model.initialize(1);
  Trainer<float> trainer(model, toy_training(), batches, exec);
  trainer.state().step = pause_at;
  std::string at_ten;
  for (std::int64_t step = pause_at; step < pause_at + 12; ++step) {
    trainer.train_step();
    if (step + 1 < BiasGuard::kSteps) CHECK(trainer.bias_warning().empty());
    if (step + 1 == BiasGuard::kSteps) at_ten = trainer.bias_warning();
  }
  CHECK(trainer.bias_warning() == at_ten);
  return at_ten;
}

ModelConfig bias_balanced(std::size_t top_k = 1) {
  ModelConfig config = toy_model();
  config.moe.top_k = top_k;
  config.moe.bias_balancing = true;
  config.moe.bias_update_rate = 1e-2;
  return config;
}

}  // namespace

TEST_CASE("bias guard: a saturated start is said once, with the expert that has the gate probability") {
  const std::string warning = warning_of(bias_balanced(), 6);
  CHECK_THAT(warning, ContainsSubstring("block 1: bias balancing began on a saturated router"));
  CHECK_THAT(warning, ContainsSubstring("expert 0 had 99 %"));
  CHECK(warning.find('\n') == std::string::npos);
}

TEST_CASE("bias guard: silent for an even start, without bias balancing, when switched off, after the start") {
  CHECK(warning_of(bias_balanced(), 0).empty());
  CHECK(warning_of(bias_balanced(2), 0).empty());
  ModelConfig config = bias_balanced();
  config.moe.bias_balancing = false;
  CHECK(warning_of(config, 6).empty());
  config = bias_balanced();
  config.moe.bias_guard = false;
  CHECK(warning_of(config, 6).empty());
  CHECK(warning_of(bias_balanced(), 6, 10).empty());  // resumed: the start is past
  CHECK(warning_of(bias_balanced(4), 6).empty());     // K = E: the choice is no choice
}
