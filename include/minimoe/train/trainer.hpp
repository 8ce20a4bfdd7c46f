// SPDX-License-Identifier: Apache-2.0
// The training loop: one optimizer step at a time, resumable bit for bit.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "minimoe/core/cancel.hpp"
#include "minimoe/core/profile.hpp"
#include "minimoe/model/minigpt.hpp"
#include "minimoe/train/train_config.hpp"

namespace minimoe {

/// One micro-batch; the arrays belong to the trainer.
struct MicroBatch {
  View<std::int32_t, 1> tokens;   ///< [B * S]
  View<std::int32_t, 1> targets;  ///< [B * S]; kIgnoreIndex: context only
  View<std::uint8_t, 1> valid;    ///< [B * S]; 1 on entry
  View<std::int32_t, 1> window;   ///< [S + 1] scratch
};

/// Gives the micro-batch `micro` (0 <= micro < A) of optimizer step `step` (0 is the first), whatever was asked before.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual void fill(std::int64_t step, std::size_t micro, std::size_t batch_size, std::size_t seq_len,
                    const MicroBatch& batch) const = 0;
};

struct StepMetrics {
  std::int64_t step = 0;  ///< completed optimizer steps, this one included
  double loss = 0;        ///< main loss: mean cross entropy of the step's targets, nats
  double aux_loss = 0;    ///< mean over MoE layers, unscaled; 0 without MoE layers
  double z_loss = 0;      ///< mean over MoE layers, unscaled
  double total_loss = 0;  ///< loss + aux_loss_coef * aux_loss + z_loss_coef * z_loss
  double learning_rate = 0;
  double gradient_norm = 0;         ///< before clipping
  std::int64_t num_tokens = 0;      ///< valid tokens of the step
  std::size_t counting_passes = 0;  ///< extra forward passes that AuxLossScope::kGlobalBatch needed to know the loads
};

/// Watching and stopping a step while it runs.
struct StepControl {
  const CancelFlag* cancel = nullptr;  ///< looked at before each micro-batch and before the update
  /// Told of each micro-batch before it is computed; what it throws breaks off the step.
  std::function<void(std::size_t micro)> on_micro_batch = {};
};

struct EvalResult {
  double loss = 0;  ///< mean cross entropy, nats
  std::int64_t num_targets = 0;
  std::vector<RoutingStats> routing;  ///< per MoE layer, over the whole evaluation
};

/// How the balance loss pulls at one router: the gradients of the main loss and of the aux loss with respect to its
/// weight and bias, taken together.
struct RouterInterference {
  std::size_t block = 0;
  double main_norm = 0;                ///< of d loss
  double aux_norm = 0;                 ///< of d aux_loss, unscaled: the mean over MoE layers, as StepMetrics has it
  std::optional<double> scaled_ratio;  ///< aux_loss_coef * aux_norm / main_norm; none when main_norm is 0
  std::optional<double> cosine;        ///< -1: the two pull apart; none when one of them is 0
};

/// Bytes that a trainer and its model take from the memory resource.
struct MemoryEstimate {
  std::size_t parameters = 0, gradients = 0, moments = 0, activations = 0, workspace = 0;
  std::size_t total() const { return parameters + gradients + moments + activations + workspace; }
};

template <class T>
class Trainer {
 public:
  /// model and batches must outlive the trainer. @throws Error(kInvalidArgument) listing every problem.
  Trainer(MiniGPT<T>& model, const TrainConfig& config, const BatchSource& batches, Exec& exec,
          MemoryResource* resource = nullptr);
  ~Trainer();

  const TrainConfig& config() const;
  std::int64_t step() const;  ///< completed optimizer steps

  /// One optimizer step. @throws Error(kNonFinite) naming the step and the loss or tensor, Error(kCancelled), or
  /// std::bad_alloc; weights, moments, biases, routing and step count are then as before the call.
  const StepMetrics& train_step(const StepControl& control = {});
  /// Counts per MoE layer of the last completed step, summed over its micro-batches.
  const std::vector<RoutingStats>& routing() const;

  /// Begins to add up where the time of steps goes, from nothing, or ends it. Off at first.
  void set_profile(bool enabled);
  /// Null while it is off.
  const Profile* profile() const;

  /// One entry an MoE layer, for the batch of the next step, by two forward and backward passes. No state changes: the
  /// next step gives the same bits as without. @throws as train_step.
  std::vector<RouterInterference> interference(const StepControl& control = {});
  /// With moe.bias_guard: one sentence when bias balancing began on a router whose gate mass was on few experts (then
  /// counts become even and gate weights do not). Empty before that is known, and when all is well.
  const std::string& bias_warning() const;

  /// Mean loss over `count` batches of [B, S] that `batches` gives for steps 0 .. count - 1; no state changes.
  /// @throws Error(kCancelled) between batches.
  EvalResult evaluate(const BatchSource& batches, std::int64_t count, const CancelFlag* cancel = nullptr);

  /// Everything that resume needs beside the model's parameters and buffers.
  struct State {
    std::int64_t step = 0;
    std::vector<ParameterRef<T>> weights;      ///< the trained parameters, in registry order
    std::vector<View<T, 1>> moment1, moment2;  ///< parallel to weights
  };
  State& state();

  /// Exactly what constructing model, trainer and exec takes from their memory resource.
  static MemoryEstimate estimate_memory(const ModelConfig& model, const TrainConfig& config, const ExecOptions& exec);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace minimoe
