// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <minimoe/model/minigpt.hpp>

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
  std::atomic<std::uint64_t> generation{1};
  std::atomic<bool> has_trainer{false};
};
