// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "train/micro_batches.hpp"

namespace minimoe {

/// Every buffer of a training step. Gradients and moments are flat, in registry order, so that their sizes follow from
/// the number of parameters alone.
template <class T>
struct StepBuffers {
  View<T, 1> gradients, moment1, moment2;
  ModelCache<T> cache;
  MicroBatches micro_batches;

  void plan_optimizer(Arena& arena, std::size_t num_parameters) {
    gradients = arena.take<T, 1>({num_parameters});
    moment1 = arena.take<T, 1>({num_parameters});
    moment2 = arena.take<T, 1>({num_parameters});
  }
  void plan_activations(Arena& arena, const ModelConfig& model, const TrainConfig& train, int num_threads) {
    cache.plan(arena, model, train.batch_size, train.seq_len, num_threads, true);
    micro_batches.plan(arena, train);
  }
};

}  // namespace minimoe
