// SPDX-License-Identifier: Apache-2.0
#include "minimoe/train/trainer.hpp"

#include <cmath>
#include <limits>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/counting_resource.hpp"
#include "support/test_tensors.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

// Trains a fresh model and returns it with its losses.
template <class T>
struct Run {
  Run(const ModelConfig& model_config, const TrainConfig& train_config, const BatchSource& batches, int num_threads = 1)
      : exec(threads(num_threads)), model(model_config), trainer(model, train_config, batches, exec) {
    model.initialize(train_config.seed);
  }
  void steps(int count) {
    for (int i = 0; i < count; ++i) losses.push_back(trainer.train_step().total_loss);
  }

  Exec exec;
  MiniGPT<T> model;
  Trainer<T> trainer;
  std::vector<double> losses;
};

ModelConfig with_everything(ModelConfig config) {
  config.moe.z_loss_coef = 0.01;
  config.moe.bias_balancing = true;
  config.moe.capacity_factor = 1.0;
  return config;
}

}  // namespace

TEST_CASE("trainer: overfits one batch, dense and MoE, both presets", "[trainer]") {
  for (const ModelConfig& preset : {gpt2_preset(), llama_preset()}) {
    for (const bool is_moe : {false, true}) {
      ModelConfig config = toy_model(preset);
      if (!is_moe) config.moe_layers = {};
      TrainConfig train = toy_training();
      for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
        train.precision = precision;
        train.steps = 200;
        train.weight_decay = 0;
        ToyBatches batches(11);
        batches.one_batch = true;
        Run<float> run(config, train, batches);
        const double first = run.trainer.train_step().loss;
        CHECK(first > 2);
        double last = first;
        for (int i = 1; i < 200; ++i) last = run.trainer.train_step().loss;
        CHECK(last < 0.05);
        CHECK(run.exec.precision() == Precision::kFloat32);
      }
    }
  }
}

TEST_CASE("trainer: A accumulation steps of B equal one step of A * B with scope global_batch", "[trainer]") {
  for (const GateOrder order : {GateOrder::kSoftmaxTopkRenorm, GateOrder::kSigmoidTopkRenorm}) {
    ModelConfig config = toy_model();
    config.moe_layers = {0, 1};
    config.moe.gate_order = order;
    config.moe.aux_loss_coef = 0.3;
    config.moe.z_loss_coef = 0.1;
    config.moe.bias_balancing = true;
    config.moe.aux_loss_scope = AuxLossScope::kGlobalBatch;
    TrainConfig accumulated = toy_training(), whole = toy_training();
    accumulated.accumulation_steps = 4;
    accumulated.batch_size = 2;
    whole.batch_size = 8;
    ToyBatches batches(11);
    batches.row_lengths = {6, 2, 6, 6, 3, 1, 6, 5};  // unequal numbers of valid tokens
    const auto difference = [&](AuxLossScope scope) {
      config.moe.aux_loss_scope = scope;
      Run<double> a(config, accumulated, batches), b(config, whole, batches);
      a.steps(5);
      b.steps(5);
      const double weights = relative_error(all_values(a.model), all_values(b.model));
      return std::max(weights, relative_error(a.losses, b.losses));
    };
    CHECK(difference(AuxLossScope::kGlobalBatch) < 1e-12);
    CHECK(difference(AuxLossScope::kSequence) < 1e-12);
    // The documented exception: its shares are those of each micro-batch.
    CHECK(difference(AuxLossScope::kMicroBatch) > 1e-6);
  }
}

TEST_CASE("trainer: the counting passes of scope global_batch are reported", "[trainer]") {
  ModelConfig config = toy_model();
  TrainConfig train = toy_training();
  train.accumulation_steps = 3;
  const ToyBatches batches(11);
  CHECK(Run<float>(config, train, batches).trainer.train_step().counting_passes == 0);
  config.moe.aux_loss_scope = AuxLossScope::kGlobalBatch;
  CHECK(Run<float>(config, train, batches).trainer.train_step().counting_passes == 3);
}

TEST_CASE("trainer: evaluation changes neither weights, biases nor counts", "[trainer]") {
  ModelConfig config = with_everything(toy_model());
  const ToyBatches batches(11), other(11, 2);
  Run<float> evaluated(config, toy_training(), batches), plain(config, toy_training(), batches);
  for (int i = 0; i < 10; ++i) {
    evaluated.steps(1);
    const std::vector<std::int64_t> load = evaluated.trainer.routing()[0].load;
    CHECK(std::isfinite(evaluated.trainer.evaluate(other, 3).loss));
    CHECK(evaluated.trainer.routing()[0].load == load);
    plain.steps(1);
  }
  CHECK(same_bits(all_values(evaluated.model), all_values(plain.model)));
  const EvalResult result = plain.trainer.evaluate(other, 3);
  CHECK(result.num_targets == 3 * 18);
  CHECK(result.routing[0].num_tokens == 3 * 18);
}

TEST_CASE("trainer: expert_bias moves once an optimizer step, on the counts of all micro-batches", "[trainer]") {
  ModelConfig config = toy_model();
  config.moe.bias_balancing = true;
  config.moe.bias_update_rate = 0.5;
  TrainConfig train = toy_training();
  train.accumulation_steps = 3;
  const ToyBatches batches(11);
  Run<double> run(config, train, batches);
  run.steps(1);
  const RoutingStats& stats = run.trainer.routing()[0];
  CHECK(stats.num_tokens == 3 * 18);
  const View<double, 1> bias = run.model.moe_layer(0).expert_bias();
  for (std::size_t e = 0; e < 4; ++e) {
    const double direction = 27.0 - static_cast<double>(stats.load[e]);  // mean: 54 * 2 / 4
    CHECK(bias(e) == 0.5 * ((direction > 0) - (direction < 0)));
  }
  // Frozen: with balancing off the buffer stays.
  config.moe.bias_balancing = false;
  Run<double> frozen(config, train, batches);
  frozen.model.moe_layer(0).expert_bias()(2) = 0.25;
  frozen.steps(3);
  CHECK(frozen.model.moe_layer(0).expert_bias()(2) == 0.25);
}

TEST_CASE("trainer: the router's learning-rate factor scales its update and nothing else", "[trainer]") {
  ModelConfig config = toy_model();
  TrainConfig train = toy_training();
  train.weight_decay = 0;
  const ToyBatches batches(11);
  Run<double> plain(config, train, batches);
  config.moe.router_learning_rate_factor = 0.25;
  Run<double> slow(config, train, batches);
  const std::vector<double> start = all_values(plain.model);
  plain.steps(1);
  slow.steps(1);
  std::size_t at = 0;
  const ParameterList<double> a = plain.model.parameters(), b = slow.model.parameters();
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double factor = a[i].name.find("router") != std::string::npos ? 0.25 : 1;
    for (std::size_t j = 0; j < a[i].size(); ++j, ++at) {
      CHECK(b[i].value[j] - start[at] == Approx(factor * (a[i].value[j] - start[at])).margin(1e-15));
    }
  }
}

TEST_CASE("trainer: a non-finite loss or gradient stops with step and tensor named, weights untouched", "[trainer]") {
  const ToyBatches batches(11);
  SECTION("loss") {
    Run<float> run(toy_model(), toy_training(), batches);
    run.steps(2);
    find_parameter(run.model, "head.weight").value[0] = std::numeric_limits<float>::infinity();
    const std::vector<float> before = all_values(run.model);
    const std::vector<double> moment = values(run.trainer.state().moment1[0]);
    CHECK_THROWS_WITH(run.trainer.train_step(), ContainsSubstring("step 3") && ContainsSubstring("loss"));
    CHECK(same_bits(all_values(run.model), before));
    CHECK(values(run.trainer.state().moment1[0]) == moment);
    CHECK(run.trainer.step() == 2);
  }
  SECTION("gradient") {
    // Finite logits, but the gradient of the norm's input overflows through a huge rstd.
    ModelConfig config = toy_model();
    config.moe_layers = {};
    config.norm_eps = 1e-300;
    Run<double> run(config, toy_training(), batches);
    const ParameterRef<double> embedding = find_parameter(run.model, "token_embedding.weight");
    const ParameterRef<double> positions = find_parameter(run.model, "position_embedding.weight");
    for (std::size_t i = 0; i < embedding.size(); ++i) embedding.value[i] *= 1e-160;
    for (std::size_t i = 0; i < positions.size(); ++i) positions.value[i] *= 1e-160;
    const ParameterRef<double> attention = find_parameter(run.model, "blocks.0.attn.proj.weight");
    std::fill_n(attention.value, attention.size(), 0.0);
    const std::vector<double> before = all_values(run.model);
    CHECK_THROWS_WITH(run.trainer.train_step(), ContainsSubstring("step 1") && ContainsSubstring("gradient of "));
    CHECK(same_bits(all_values(run.model), before));
  }
  SECTION("router") {
    Run<float> run(toy_model(), toy_training(), batches);
    find_parameter(run.model, "blocks.1.moe.router.weight").value[3] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH(run.trainer.train_step(), ContainsSubstring("step 1") && ContainsSubstring("router"));
    CHECK(run.trainer.step() == 0);
  }
}

TEST_CASE("trainer: after the first step, training allocates nothing", "[trainer]") {
  for (const ModelConfig& preset : {gpt2_preset(), llama_preset()}) {
    ModelConfig config = with_everything(toy_model(preset));
    config.qk_norm = config.qk_norm_full_width = true;
    config.moe.num_shared_experts = 1;
    config.moe.shared_expert_gate = true;
    TrainConfig train = toy_training();
    train.accumulation_steps = 2;
    ToyBatches batches(11);
    batches.row_lengths = {6, 3};
    for (const AuxLossScope scope : {AuxLossScope::kMicroBatch, AuxLossScope::kSequence, AuxLossScope::kGlobalBatch}) {
      config.moe.aux_loss_scope = scope;
      Run<float> run(config, train, batches, 2);
      run.losses.reserve(100);
      run.steps(1);
      const std::uint64_t before = minimoe_test::num_allocations();
      run.steps(5);
      CHECK(minimoe_test::num_allocations() == before);
    }
  }
}

TEST_CASE("trainer: the memory estimate is the allocator's high-water mark, to the byte", "[trainer]") {
  for (const ModelConfig& preset : {gpt2_preset(), llama_preset()}) {
    for (const bool is_moe : {false, true}) {
      ModelConfig config = with_everything(toy_model(preset));
      config.qk_norm = true;
      config.moe.drop_priority = DropPriority::kProbability;
      config.moe.num_shared_experts = 1;
      config.moe.shared_expert_gate = config.qk_norm_full_width = preset.ffn == FfnKind::kSwiglu;
      if (!is_moe) config.moe_layers = {};
      TrainConfig train = toy_training();
      train.accumulation_steps = 2;
      const ToyBatches batches(11);
      CountingResource memory;
      ExecOptions options = threads(2);
      options.resource = &memory;
      const MemoryEstimate estimate = Trainer<float>::estimate_memory(config, train, options);
      {
        Exec exec(options);
        MiniGPT<float> model(config, &memory);
        Trainer<float> trainer(model, train, batches, exec, &memory);
        model.initialize(1);
        for (int i = 0; i < 3; ++i) trainer.train_step();
        CHECK(trainer.evaluate(batches, 2).loss > 0);
        CHECK(memory.peak() == estimate.total());
      }
      CHECK(memory.current() == 0);
    }
  }
}

TEST_CASE("trainer: refuses a configuration with every problem named", "[trainer]") {
  TrainConfig train = toy_training();
  train.steps = 0;
  train.seq_len = 7;
  train.learning_rate = -1;
  const ToyBatches batches(11);
  Exec exec(threads(1));
  MiniGPT<float> model(toy_model());
  CHECK_THROWS_WITH(Trainer<float>(model, train, batches, exec),
                    ContainsSubstring("train.steps") && ContainsSubstring("train.learning_rate") &&
                        ContainsSubstring("train.seq_len: 7 is above model.max_seq_len = 6"));
}

TEST_CASE("trainer: a step without any target is refused", "[trainer]") {
  ToyBatches batches(11);
  batches.row_lengths = {0, 0, 0};
  Run<float> run(toy_model(), toy_training(), batches);
  CHECK_THROWS_WITH(run.trainer.train_step(), ContainsSubstring("no target"));
}

TEST_CASE("trainer: evaluating weights that are not finite is an error, not a figure", "[trainer]") {
  ModelConfig config = toy_model();
  config.moe_layers = {};
  const ToyBatches batches(11);
  Run<float> run(config, toy_training(), batches);
  find_parameter(run.model, "final_norm.weight").value[2] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(run.trainer.evaluate(batches, 2), ContainsSubstring("loss of batch 0 is nan"));
}
