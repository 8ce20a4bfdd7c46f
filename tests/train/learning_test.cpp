// SPDX-License-Identifier: Apache-2.0
// The lab's models learn the embedded corpus.
#include "minimoe/train/run_config.hpp"
#include "minimoe/train/token_batches.hpp"
#include "support/catch.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;

TEST_CASE("lab: 3000 steps bring the validation loss within half a nat of its entropy floor", "[.long]") {
  for (const bool is_moe : {false, true}) {
    RunConfig run = is_moe ? lab_preset() : lab_dense_preset();
    run.train.steps = 3000;
    const std::unique_ptr<TokenSource> source = open_token_source(run.data);
    run.model.vocab_size = source->vocab_size();
    const TrainBatches batches(*source, run.train.seed, 1);
    const EvalBatches validation(*source, Split::kVal, run.train.seq_len, 200);
    Exec exec;
    MiniGPT<float> model(run.model);
    model.initialize(run.train.seed);
    Trainer<float> trainer(model, run.train, batches, exec);
    while (trainer.step() < run.train.steps) trainer.train_step();
    const double loss = trainer.evaluate(validation, validation.num_batches(run.train.batch_size)).loss;
    const double floor = *source->entropy_floor(Split::kVal, run.train.seq_len, validation.num_windows());
    INFO((is_moe ? "moe" : "dense") << ": loss " << loss << ", floor " << floor);
    CHECK(loss > floor);
    CHECK(loss < floor + 0.5);
  }
}
