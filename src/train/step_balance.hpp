// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "minimoe/train/trainer.hpp"

namespace minimoe {

/// The balance losses of one optimizer step and the routing that they are of, over its micro-batches. aux_loss and
/// z_loss are means over MoE layers, so one layer's gradient carries coef / L_m. With AuxLossScope::kMicroBatch both
/// are means over micro-batches of their own means; otherwise over the sequences or tokens of the whole step.
class StepBalance {
 public:
  StepBalance(const ModelConfig& model, std::size_t accumulation_steps);

  /// Forgets the step before.
  void begin();
  /// Whether the loads of all micro-batches have to be known before the first backward pass: count() them.
  bool needs_counting() const;
  void count(const std::vector<RoutingStats>& routing);

  /// One a layer. @param aux, z factors of the losses' gradients; the result refers to this object
  void set_gradients(std::vector<BalanceGradient>& gradients, double aux, double z, std::int64_t num_tokens,
                     std::int64_t num_sequences);
  /// One micro-batch's routing joins that of the step.
  void add(const std::vector<RoutingStats>& routing, std::int64_t num_sequences);
  /// aux_loss and z_loss of the step.
  void write(StepMetrics& metrics, std::int64_t num_sequences) const;

  /// Counts per MoE layer of the step so far.
  std::vector<RoutingStats>& routing() { return routing_; }

 private:
  bool per_micro_batch() const { return moe_.aux_loss_scope == AuxLossScope::kMicroBatch; }

  const MoEConfig& moe_;
  const std::size_t accumulation_steps_;
  std::vector<RoutingStats> routing_;
  std::vector<std::int64_t> global_load_;  // [MoE layers * E]
  double aux_sum_ = 0, z_sum_ = 0;         // over micro-batches and layers
};

}  // namespace minimoe
