// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <minimoe/analysis/routing_history.hpp>
#include <minimoe/train/token_batches.hpp>
#include <minimoe/train/trainer.hpp>

#include "dataset.hpp"
#include "model.hpp"

namespace minimoe::capi {

/// The smallest and the largest selection bias of an MoE layer.
struct BiasRange {
  double low = 0, high = 0;
};

/// The mark that a model has a trainer.
class TrainerSlot {
 public:
  /// @throws Error(BUSY) when it has one already
  TrainerSlot(const char* function, minimoe_model& model) : model_(model) {
    if (model.has_trainer.exchange(true)) {
      fail(MINIMOE_E_BUSY, function, ": the model already has a trainer; free that first");
    }
  }
  ~TrainerSlot() { model_.has_trainer = false; }
  TrainerSlot(const TrainerSlot&) = delete;
  TrainerSlot& operator=(const TrainerSlot&) = delete;

 private:
  minimoe_model& model_;
};

}  // namespace minimoe::capi

struct minimoe_trainer : minimoe::capi::Handle {
  static constexpr minimoe::capi::Kind kKind = minimoe::capi::Kind::kTrainer;
  /// To be called under the model's write side.
  minimoe_trainer(const char* function, minimoe_model& model, minimoe_dataset& dataset,
                  const minimoe::RunConfig& config);

  const minimoe::capi::Shared<minimoe_model> model;
  const minimoe::capi::Shared<minimoe_dataset> dataset;
  const minimoe::RunConfig config;
  const minimoe::capi::TrainerSlot slot;
  minimoe::Exec exec;
  const minimoe::TrainBatches batches;
  mutable minimoe::Trainer<float> trainer;             // saving reads its state
  std::vector<minimoe::RoutingStats> evaluation = {};  ///< of the last evaluation
  /// Of each MoE layer, after the last step and in the last evaluation.
  std::vector<minimoe::capi::BiasRange> step_bias, evaluation_bias;
  minimoe::RoutingHistory history;  ///< since the trainer was created or resumed
};
