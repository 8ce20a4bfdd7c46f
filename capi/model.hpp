// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <minimoe/core/packed_weights.hpp>
#include <minimoe/model/minigpt.hpp>
#include <mutex>

#include "config.hpp"
#include "handle.hpp"
#include "options.hpp"
#include "workspaces.hpp"

namespace minimoe::capi {

/// What one reader of a model needs; grows to the largest batch that it has seen.
struct ModelWorkspace {
  explicit ModelWorkspace(const ExecOptions& options) : exec(options), arena(options.resource) {}
  void grow(const ModelConfig& config, std::size_t batch_size, std::size_t seq_len);

  Exec exec;
  Arena arena;
  ModelCache<float> cache;
  std::size_t max_batch_size = 0, max_seq_len = 0;
};

/// A copy of a model's weights for its streams (core/packed_weights.hpp): made for the first that wants it, kept as
/// long as one that has it lives, and only for the generation that it was made of.
class PackedWeightsOfModel {
 public:
  /// @param exec of a workspace of the model, which no trainer writes meanwhile
  std::shared_ptr<const PackedWeights<float>> get(const minimoe_model& model, Exec& exec);

 private:
  std::shared_ptr<const PackedWeights<float>> held(std::uint64_t generation);

  std::mutex mutex_;  // as that of WorkspacePool
  std::weak_ptr<const PackedWeights<float>> packed_;
  std::uint64_t generation_ = 0;
};

enum class StartValues { kDrawn, kZero };

/// A handle, told to the log. @param values zero where a file's take their place: drawing takes longer than reading
std::unique_ptr<minimoe_model> make_model(const char* where, const RunConfig& config, const minimoe_options* options,
                                          StartValues values);

}  // namespace minimoe::capi

struct minimoe_model : minimoe::capi::Handle {
  static constexpr minimoe::capi::Kind kKind = minimoe::capi::Kind::kModel;
  /// Of `config`, whose model part is complete; every value is 0.
  minimoe_model(const char* function, const minimoe::RunConfig& config, const minimoe_options* options);

  const minimoe::capi::Options options;
  const minimoe::RunConfig config;
  const int num_threads;  // what 0 in the options came to, whatever the affinity is later
  minimoe::InstructionSet instruction_set{};
  minimoe::MiniGPT<float> model;
  mutable minimoe::ParameterList<float> parameters;  // names and values only: a trainer binds gradients elsewhere
  mutable minimoe::capi::WorkspacePool<minimoe::capi::ModelWorkspace> workspaces;
  mutable minimoe::capi::PackedWeightsOfModel packed_weights;
  std::atomic<std::uint64_t> generation{1};
  std::atomic<bool> has_trainer{false};
};
