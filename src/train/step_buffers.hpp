// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "minimoe/model/minigpt.hpp"
#include "minimoe/train/train_config.hpp"

namespace minimoe {

/// Every buffer of a training step. Gradients and moments are flat, in registry order, so that their sizes follow from
/// the number of parameters alone.
template <class T>
struct StepBuffers {
  View<T, 1> gradients, moment1, moment2;
  ModelCache<T> cache;
  View<std::int32_t, 2> tokens, targets;  // [A, B * S]
  View<std::uint8_t, 2> valid;
  View<std::int32_t, 1> window;  // [S + 1]

  void plan_optimizer(Arena& arena, std::size_t num_parameters) {
    gradients = arena.take<T, 1>({num_parameters});
    moment1 = arena.take<T, 1>({num_parameters});
    moment2 = arena.take<T, 1>({num_parameters});
  }
  void plan_activations(Arena& arena, const ModelConfig& model, const TrainConfig& train, int num_threads) {
    cache.plan(arena, model, train.batch_size, train.seq_len, num_threads, true);
    const std::size_t num_tokens = train.batch_size * train.seq_len;
    tokens = arena.take<std::int32_t, 2>({train.accumulation_steps, num_tokens});
    targets = arena.take<std::int32_t, 2>({train.accumulation_steps, num_tokens});
    valid = arena.take<std::uint8_t, 2>({train.accumulation_steps, num_tokens});
    window = arena.take<std::int32_t, 1>({train.seq_len + 1});
  }
};

}  // namespace minimoe
