// SPDX-License-Identifier: Apache-2.0
// What a trainer's profile says of whole steps.
#include "minimoe/core/profile.hpp"

#include <nlohmann/json.hpp>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/test_tensors.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

struct Run {
  explicit Run(const ModelConfig& model_config, int num_threads = 1, const TrainConfig& train = toy_training())
      : exec(threads(num_threads)), model(model_config), trainer(model, train, batches, exec) {
    model.initialize(1);
  }

  const ToyBatches batches{11};
  Exec exec;
  MiniGPT<float> model;
  Trainer<float> trainer;
};

std::vector<float> trained(bool profiled, int num_threads) {
  Run run(toy_model(), num_threads);
  run.trainer.set_profile(profiled);
  for (int i = 0; i < 5; ++i) run.trainer.train_step();
  return all_values(run.model);
}

}  // namespace

TEST_CASE("trainer profile: off until asked for, and it changes no bit", "[trainer][profile]") {
  Run run(toy_model());
  run.trainer.train_step();
  CHECK(run.trainer.profile() == nullptr);
  run.trainer.set_profile(true);
  run.trainer.train_step();
  run.trainer.train_step();
  CHECK(run.trainer.profile()->num_steps() == 2);
  run.trainer.set_profile(true);
  CHECK(run.trainer.profile()->num_steps() == 0);
  run.trainer.set_profile(false);
  CHECK(run.trainer.profile() == nullptr);
  for (const int num_threads : {1, 2}) CHECK(trained(true, num_threads) == trained(false, num_threads));
}

TEST_CASE("trainer profile: the products that it counts are those of the model", "[trainer][profile]") {
  for (const ModelConfig& preset : {gpt2_preset(), llama_preset()}) {
    const ModelConfig config = toy_model(preset);
    TrainConfig train = toy_training();
    train.accumulation_steps = 2;
    Run run(config, 1, train);
    run.trainer.set_profile(true);
    run.trainer.train_step();
    const Profile& profile = *run.trainer.profile();
    const auto tokens = static_cast<double>(2 * train.batch_size * train.seq_len);
    const auto both = [&](Operation operation) {
      const double forward = profile.entry(operation, Pass::kForward).flops;
      CHECK(profile.entry(operation, Pass::kBackward).flops == 2 * forward);
      return forward;
    };
    const double D = 8, F = 12, V = 11, E = 4, K = 2, L = 2;
    const double matrices = config.ffn == FfnKind::kSwiglu ? 3 : 2;
    CHECK(both(Operation::kHead) == 2 * tokens * V * D);
    CHECK(both(Operation::kQkv) == L * 2 * tokens * 3 * D * D);
    CHECK(both(Operation::kProj) == L * 2 * tokens * D * D);
    CHECK(both(Operation::kFeedForward) == matrices * 2 * tokens * F * D);
    CHECK(both(Operation::kExperts) == matrices * 2 * tokens * K * F * D);
    CHECK(both(Operation::kRouter) == 2 * tokens * E * D);
    // Scores and their sum of values over the causal half, the diagonal included.
    const double S = static_cast<double>(train.seq_len), pairs = tokens / S * (S * (S + 1) / 2);
    CHECK(profile.entry(Operation::kAttention, Pass::kForward).flops == L * 2 * 2 * pairs * D);
    CHECK(profile.entry(Operation::kAttention, Pass::kBackward).flops == L * 5 * 2 * pairs * D);
    CHECK(profile.entry(Operation::kNorm, Pass::kForward).calls == 2 * (2 * 2 + 1));
    CHECK(profile.entry(Operation::kNorm, Pass::kBackward).calls == 2 * (2 * 2 + 1));
    CHECK(profile.entry(Operation::kOptimizer, Pass::kStep).calls == 1);
    CHECK(profile.entry(Operation::kData, Pass::kStep).calls == 2);
  }
}

TEST_CASE("trainer profile: its document adds up", "[trainer][profile]") {
  Run run(toy_model(), 2);
  run.trainer.set_profile(true);
  for (int i = 0; i < 3; ++i) run.trainer.train_step();
  const nlohmann::json document = nlohmann::json::parse(run.trainer.profile()->json());
  CHECK(document.at("num_steps") == 3);
  double ms = 0, flops = 0;
  for (const nlohmann::json& entry : document.at("operations")) {
    ms += entry.at("ms").get<double>();
    flops += entry.at("flops").get<double>();
  }
  CHECK(ms == Approx(document.at("ms").get<double>()).epsilon(1e-12));
  CHECK(flops == Approx(document.at("flops").get<double>()).epsilon(1e-12));
  CHECK(document.at("operations").at(0).at("operation") == "rest");
}

TEST_CASE("trainer profile: only completed steps of training count", "[trainer][profile]") {
  Run run(toy_model());
  run.trainer.set_profile(true);
  run.trainer.train_step();
  const std::string before = run.trainer.profile()->json();
  run.trainer.evaluate(run.batches, 2);
  run.trainer.interference();
  CancelFlag fired;
  fired.fire();
  CHECK_THROWS_AS(run.trainer.train_step({&fired, {}}), Error);
  CHECK(run.trainer.profile()->json() == before);
  CHECK(run.exec.profile() == nullptr);
}

TEST_CASE("trainer profile: a profiled step allocates nothing", "[trainer][profile]") {
  Run run(toy_model(), 2);
  run.trainer.set_profile(true);
  run.trainer.train_step();
  const std::uint64_t before = minimoe_test::num_allocations();
  for (int i = 0; i < 5; ++i) run.trainer.train_step();
  CHECK(minimoe_test::num_allocations() == before);
}
