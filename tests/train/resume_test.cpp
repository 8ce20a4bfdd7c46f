// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <filesystem>

#include "minimoe/train/checkpoint.hpp"
#include "support/catch.hpp"
#include "support/test_tensors.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;
using namespace minimoe::test;

TEST_CASE("checkpoint: resuming in the middle of a run gives the same bits as not stopping", "[trainer]") {
  const std::string path = (std::filesystem::temp_directory_path() / "minimoe_resume_test.safetensors").string();
  RunConfig run;
  run.model = toy_model();
  run.model.moe.bias_balancing = true;
  run.model.moe.capacity_factor = 1.0;
  run.model.moe.z_loss_coef = 0.01;
  run.train = toy_training();
  run.train.accumulation_steps = 2;
  const ToyBatches batches(11);
  Exec exec(threads(2));

  MiniGPT<float> whole(run.model);
  Trainer<float> whole_trainer(whole, run.train, batches, exec);
  whole.initialize(run.train.seed);
  for (int i = 0; i < 23; ++i) whole_trainer.train_step();
  save_checkpoint(path, run, whole, whole_trainer);
  for (int i = 23; i < 50; ++i) whole_trainer.train_step();

  const RunConfig stored = read_checkpoint_config(path);
  CHECK(run_config_json(stored) == run_config_json(run));
  CHECK(read_checkpoint_step(path) == 23);
  MiniGPT<float> resumed(stored.model);
  Trainer<float> resumed_trainer(resumed, stored.train, batches, exec);
  resume_checkpoint(path, resumed, resumed_trainer);
  CHECK(resumed_trainer.step() == 23);
  for (int i = 23; i < 50; ++i) resumed_trainer.train_step();

  CHECK(same_bits(all_values(resumed), all_values(whole)));
  for (std::size_t i = 0; i < whole_trainer.state().moment1.size(); ++i) {
    CHECK(same_bits(resumed_trainer.state().moment1[i], whole_trainer.state().moment1[i]));
    CHECK(same_bits(resumed_trainer.state().moment2[i], whole_trainer.state().moment2[i]));
  }
  std::filesystem::remove(path);
}
