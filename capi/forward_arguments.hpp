// SPDX-License-Identifier: Apache-2.0
// The tokens of one forward call through a model handle.
#pragma once

#include "model.hpp"

namespace minimoe::capi {

struct ForwardArguments {
  std::span<const std::int32_t> tokens;
  std::span<const std::uint8_t> valid;
  std::size_t seq_len;
};

/// Throws unless the counts fit each other and the model.
void check_forward(const char* where, const ForwardArguments& a, const ModelConfig& config);

/// Runs the model on at least one token; the loan holds what it computed.
WorkspacePool<ModelWorkspace>::Loan forward(const minimoe_model& model, const ForwardArguments& a);

}  // namespace minimoe::capi
