// SPDX-License-Identifier: Apache-2.0
// The figures of Trainer::interference against gradients found apart: by central differences in double.
#include <cmath>

#include "support/catch.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

struct Setting {
  std::vector<std::size_t> moe_layers;
  AuxLossScope scope;
  std::size_t accumulation_steps;
  bool router_bias;
};

std::string text_of(const Setting& s) {
  return concat(s.moe_layers.size(), " MoE layers, scope ", static_cast<int>(s.scope), ", accumulation ",
                s.accumulation_steps, ", router bias ", s.router_bias);
}

ModelConfig model_of(const Setting& s) {
  ModelConfig config = toy_model();
  config.moe_layers = s.moe_layers;
  config.moe.aux_loss_scope = s.scope;
  config.moe.aux_loss_coef = 0.03;
  config.moe.z_loss_coef = 0.02;
  config.moe.router_bias = s.router_bias;
  if (s.router_bias) config.moe.router_bias_init = {0.5, 0, -0.5, 0.25};
  return config;
}

TrainConfig training_of(const Setting& s) {
  TrainConfig config = toy_training();
  config.accumulation_steps = s.accumulation_steps;
  config.learning_rate = 0;  // a step that reports its losses and leaves the weights alone
  config.min_learning_rate = 0;
  config.warmup_steps = 0;
  config.weight_decay = 0;
  return config;
}

// Rows of different lengths, so that tokens, sequences and micro-batches are weighed differently.
ToyBatches batches_of() {
  ToyBatches batches(11);
  batches.row_lengths = {6, 4, 6, 2, 6, 5};
  return batches;
}

struct Losses {
  double main, aux;
};

// Of the first step, at the given offset of one router value: with a learning rate of 0 a step changes nothing else.
Losses losses_at(const Setting& setting, const std::string& name, std::size_t index, double offset) {
  const ToyBatches batches = batches_of();
  Exec exec;
  MiniGPT<double> model(model_of(setting));
  model.initialize(7);
  find_parameter(model, name).value[index] += offset;
  Trainer<double> trainer(model, training_of(setting), batches, exec);
  const StepMetrics& metrics = trainer.train_step();
  return {metrics.loss, metrics.aux_loss};
}

struct Gradients {
  std::vector<double> main, aux;
};

// By central differences; f of the aux loss is a constant as long as no token changes its experts, which a step of
// 1e-6 does not make it do.
Gradients gradients_apart(const Setting& setting, std::size_t block) {
  constexpr double kStep = 1e-6;
  Gradients found;
  MiniGPT<double> model(model_of(setting));
  for (const ParameterRef<double>& p : model.parameters()) {
    if (!p.name.starts_with(concat("blocks.", block, ".moe.router."))) continue;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const Losses up = losses_at(setting, p.name, i, kStep), down = losses_at(setting, p.name, i, -kStep);
      found.main.push_back((up.main - down.main) / (2 * kStep));
      found.aux.push_back((up.aux - down.aux) / (2 * kStep));
    }
  }
  return found;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

TEST_CASE("interference: norms, ratio and cosine are those of gradients computed apart", "[trainer]") {
  const std::vector<std::size_t> one = {1}, two = {0, 1};
  const Setting settings[] = {{one, AuxLossScope::kMicroBatch, 1, false}, {one, AuxLossScope::kSequence, 1, true},
                              {two, AuxLossScope::kMicroBatch, 1, true},  {two, AuxLossScope::kMicroBatch, 2, false},
                              {two, AuxLossScope::kSequence, 2, false},   {two, AuxLossScope::kGlobalBatch, 2, true}};
  for (const Setting& setting : settings) {
    const ToyBatches batches = batches_of();
    Exec exec;
    MiniGPT<double> model(model_of(setting));
    model.initialize(7);
    Trainer<double> trainer(model, training_of(setting), batches, exec);
    const std::vector<RouterInterference> found = trainer.interference();
    REQUIRE(found.size() == setting.moe_layers.size());
    for (std::size_t layer = 0; layer < found.size(); ++layer) {
      INFO(text_of(setting) << ", layer " << layer);
      const RouterInterference& f = found[layer];
      CHECK(f.block == setting.moe_layers[layer]);
      const Gradients apart = gradients_apart(setting, f.block);
      const double main = std::sqrt(dot(apart.main, apart.main)), aux = std::sqrt(dot(apart.aux, apart.aux));
      CHECK(f.main_norm == Approx(main).epsilon(1e-6));
      CHECK(f.aux_norm == Approx(aux).epsilon(1e-6));
      CHECK(f.scaled_ratio.value() == Approx(0.03 * aux / main).epsilon(1e-6));
      CHECK(f.cosine.value() == Approx(dot(apart.main, apart.aux) / main / aux).margin(1e-6));
    }
  }
}

TEST_CASE("interference: the next steps give the same bits as without it", "[trainer]") {
  ModelConfig config = toy_model();
  config.moe_layers = {0, 1};
  config.moe.bias_balancing = true;
  config.moe.aux_loss_scope = AuxLossScope::kGlobalBatch;
  TrainConfig train = toy_training();
  train.accumulation_steps = 2;
  const ToyBatches batches(11);
  Exec exec;
  MiniGPT<float> watched(config), alone(config);
  watched.initialize(1);
  alone.initialize(1);
  Trainer<float> watched_trainer(watched, train, batches, exec), alone_trainer(alone, train, batches, exec);
  watched_trainer.interference();
  for (int step = 0; step < 8; ++step) {
    const StepMetrics metrics = watched_trainer.train_step();
    const StepMetrics expected = alone_trainer.train_step();
    CHECK(metrics.total_loss == expected.total_loss);
    watched_trainer.interference();
    CHECK(watched_trainer.step() == alone_trainer.step());
    CHECK(watched_trainer.routing()[1].load == alone_trainer.routing()[1].load);
    CHECK(all_values(watched) == all_values(alone));
  }
}

TEST_CASE("interference: a constant gate has no main gradient, and so neither ratio nor cosine", "[trainer]") {
  ModelConfig config = toy_model();
  config.moe.top_k = 1;
  config.moe.gate_order = GateOrder::kSoftmaxTopkRenorm;
  config.moe.allow_constant_gate = true;
  const ToyBatches batches(11);
  Exec exec;
  MiniGPT<double> model(config);
  model.initialize(1);
  Trainer<double> trainer(model, toy_training(), batches, exec);
  const RouterInterference found = trainer.interference().at(0);
  CHECK(found.main_norm == 0);
  CHECK(found.aux_norm > 0);
  CHECK_FALSE(found.scaled_ratio.has_value());
  CHECK_FALSE(found.cosine.has_value());

  ModelConfig dense = toy_model();
  dense.moe_layers = {};
  MiniGPT<double> dense_model(dense);
  dense_model.initialize(1);
  Trainer<double> dense_trainer(dense_model, toy_training(), batches, exec);
  CHECK(dense_trainer.interference().empty());
}

TEST_CASE("interference: a loss that is not finite is named as its own, and the next step can be tried", "[trainer]") {
  const ToyBatches batches(11);
  Exec exec;
  MiniGPT<float> model(toy_model());
  model.initialize(1);
  Trainer<float> trainer(model, toy_training(), batches, exec);
  trainer.train_step();
  float& weight = *find_parameter(model, "token_embedding.weight").value;
  const float before = weight;
  std::fill_n(&weight, 11 * 8, std::numeric_limits<float>::quiet_NaN());
  CHECK_THROWS_WITH(trainer.interference(), Catch::Matchers::StartsWith("trainer.interference: step 2: "));
  std::fill_n(&weight, 11 * 8, before);
  CHECK(trainer.train_step().step == 2);
}
