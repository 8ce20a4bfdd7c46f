// SPDX-License-Identifier: Apache-2.0
// How a model is trained.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "minimoe/core/exec.hpp"

namespace minimoe {

enum class Schedule {
  kConstant,  ///< learning_rate after the warm-up
  kCosine,    ///< from learning_rate down to min_learning_rate at the last step
};

struct TrainConfig {
  std::int64_t steps = 5000;           ///< optimizer steps of the whole schedule, >= 1
  std::size_t batch_size = 16;         ///< B: sequences of one micro-batch
  std::size_t seq_len = 64;            ///< S: tokens of a sequence
  std::size_t accumulation_steps = 1;  ///< A: micro-batches of one optimizer step

  double learning_rate = 1e-3;
  double min_learning_rate = 1e-4;  ///< where the cosine ends
  std::int64_t warmup_steps = 100;  ///< linear from learning_rate / warmup_steps
  Schedule schedule = Schedule::kCosine;
  double beta1 = 0.9, beta2 = 0.95, adam_eps = 1e-8;
  double weight_decay = 0.1;  ///< decoupled; matrices and embeddings only
  /// Gradients are scaled by clip_norm / (norm + 1e-6) when their global norm is above clip_norm; 0: never.
  double clip_norm = 1;

  /// Of products with weights in the trainer (evaluation included), those of the router and the shared experts' gate
  /// excepted; all else is float.
  Precision precision = Precision::kFloat32;

  std::uint64_t seed = 36000;  ///< start values and training windows

  /// One message for each bad field, prefixed by its key ("train.steps: ..."); empty when all is well.
  std::vector<std::string> problems() const;
};

/// Learning rate of optimizer step `step` (1 is the first): linear warm-up, then the schedule.
double learning_rate_at(const TrainConfig& config, std::int64_t step);

}  // namespace minimoe
