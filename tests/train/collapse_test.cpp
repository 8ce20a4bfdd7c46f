// SPDX-License-Identifier: Apache-2.0
// Routing collapse, planted and prevented, on the embedded corpus.
#include <algorithm>
#include <numeric>

#include "minimoe/train/run_config.hpp"
#include "minimoe/train/token_batches.hpp"
#include "support/catch.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;

namespace {

// Shares of the assignments of block 1's experts over the last 50 of 300 steps, K = 1, from a router that starts ahead:
// its bias on expert 0 is 6, so that expert begins with about 99 % of the probability.
std::vector<double> load_shares(double aux_loss_coef, std::uint64_t seed) {
  RunConfig run = lab_preset();
  run.train.seed = seed;
  run.model.moe.top_k = 1;
  run.model.moe.router_bias = true;
  run.model.moe.router_bias_init = {6, 0, 0, 0};
  run.model.moe.aux_loss_coef = aux_loss_coef;
  run.train.steps = 300;
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
  for (std::int64_t step = 1; step <= 300; ++step) {
    trainer.train_step();
    if (step > 250) window.add(trainer.routing()[0]);
  }
  const double total = static_cast<double>(std::accumulate(window.load.begin(), window.load.end(), std::int64_t{0}));
  std::vector<double> shares;
  for (const std::int64_t count : window.load) shares.push_back(static_cast<double>(count) / total);
  return shares;
}

double largest_load_share(double aux_loss_coef, std::uint64_t seed) {
  const std::vector<double> shares = load_shares(aux_loss_coef, seed);
  return *std::max_element(shares.begin(), shares.end());
}

}  // namespace

TEST_CASE("test_no_expert_above_50_percent", "[slow]") {
  CHECK(largest_load_share(0.01, 36000) < 0.5);
  // The same start without the loss stays collapsed: the check above can fail.
  CHECK(largest_load_share(0, 36000) > 0.5);
}

TEST_CASE("collapse: a router that starts ahead stays there without the loss and recovers with it, three seeds",
          "[.long]") {
  for (const std::uint64_t seed : {36000, 36001, 36002}) {
    const std::vector<double> with = load_shares(0.01, seed), without = load_shares(0, seed);
    INFO("seed " << seed);
    CHECK(*std::max_element(without.begin(), without.end()) > 0.8);
    CHECK(*std::max_element(with.begin(), with.end()) < 0.35);
    CHECK(*std::min_element(with.begin(), with.end()) > 0.15);
  }
}
