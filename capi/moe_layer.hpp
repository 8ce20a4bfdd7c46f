// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <minimoe/moe/moe_layer.hpp>
#include <minimoe/train/run_config.hpp>

#include "handle.hpp"
#include "workspaces.hpp"

namespace minimoe::capi {

/// What one forward leaves behind.
struct MoEForward {
  MoECache<float> cache;
  RoutingStats stats;

  void plan(Arena& arena, const MoEConfig& config, std::size_t max_tokens);
};

}  // namespace minimoe::capi

struct minimoe_moe_layer : minimoe::capi::Handle {
  static constexpr minimoe::capi::Kind kKind = minimoe::capi::Kind::kMoELayer;
  minimoe_moe_layer(const char* function, const minimoe::RunConfig& run_config, const minimoe_options* caller_options);

  const minimoe::capi::Options options;
  const minimoe::RunConfig config;
  minimoe::MoELayer<float> layer;
  minimoe::ParameterList<float> parameters;
  minimoe::capi::WorkspacePool<minimoe::capi::Workspace<minimoe::capi::MoEForward>> workspaces;
  std::uint64_t generation = 1;  // of the values of the parameters

  std::size_t d_model() const { return config.model.d_model; }
  /// Gives every weight that has no gradient its part of the layer's own: a host that only infers never pays for it.
  void provide_gradients();
  /// A null `data` is the layer's own memory.
  void bind_gradient(minimoe::ParameterRef<float>& parameter, float* data);
  void zero_gradients();

 private:
  float* own_gradient(const minimoe::ParameterRef<float>& parameter);

  std::unique_ptr<minimoe::Tensor<float, 1>> own_gradients_;  // of all weights, in registry order
};
