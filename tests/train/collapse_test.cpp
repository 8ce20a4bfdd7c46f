// SPDX-License-Identifier: Apache-2.0
// Routing collapse, planted and prevented, on the embedded corpus.
#include "minimoe/moe/load_statistics.hpp"
#include "minimoe/train/run_config.hpp"
#include "minimoe/train/token_batches.hpp"
#include "support/catch.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;

namespace {

// Loads of block 1's experts over the last 50 steps, K = 1, from a router that starts ahead: its bias on expert 0 is 6,
// so that expert begins with about 99 % of the probability.
LoadStatistics final_loads(double aux_loss_coef, std::uint64_t seed, std::int64_t steps) {
  RunConfig run = lab_preset();
  run.train.seed = seed;
  run.model.moe.top_k = 1;
  run.model.moe.router_bias = true;
  run.model.moe.router_bias_init = {6, 0, 0, 0};
  run.model.moe.aux_loss_coef = aux_loss_coef;
  run.train.steps = steps;
  run.train.learning_rate = 3e-3;
  run.train.min_learning_rate = 0;
  run.train.warmup_steps = 50;
  const std::unique_ptr<TokenSource> source = open_token_source(run.data);
  run.model.vocab_size = source->vocab_size();
  const TrainBatches batches(*source, run.train.seed, 1);
  Exec exec;
  MiniGPT<float> model(run.model);
  model.initialize(run.train.seed);
  Trainer<float> trainer(model, run.train, batches, exec);
  RoutingStats window;
  window.reset(4);
  for (std::int64_t step = 1; step <= steps; ++step) {
    trainer.train_step();
    if (step > steps - 50) window.add(trainer.routing()[0]);
  }
  return load_statistics(window.load, run.model.moe.top_k);
}

// Of all assignments, the share of the busiest of the four experts.
double largest_load_share(double aux_loss_coef) {
  return (final_loads(aux_loss_coef, 36000, 300).max_violation + 1) / 4;
}

}  // namespace

TEST_CASE("test_no_expert_above_50_percent", "[slow]") {
  CHECK(largest_load_share(0.01) < 0.5);
  // The same start without the loss stays collapsed: the check above can fail.
  CHECK(largest_load_share(0) > 0.5);
}

// Collapsed below half of the experts in effect; healthy from 85 % on with none cold: the rule that separated earlier
// runs of other corpora.
TEST_CASE("collapse: a router that starts ahead stays there without the loss and recovers with it, three seeds",
          "[.long]") {
  for (const std::uint64_t seed : {36000, 36001, 36002}) {
    const LoadStatistics with = final_loads(0.01, seed, 500), without = final_loads(0, seed, 500);
    INFO("seed " << seed << ": effective experts " << with.effective_experts << " with the loss, "
                 << without.effective_experts << " without");
    CHECK(without.effective_experts / 4 < 0.5);
    CHECK(with.effective_experts / 4 >= 0.85);
    CHECK(with.num_cold == 0);
  }
}
