// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "moe_layer.hpp"

struct minimoe_moe_cache : minimoe::capi::Handle {
  static constexpr minimoe::capi::Kind kKind = minimoe::capi::Kind::kMoECache;
  minimoe_moe_cache(minimoe_moe_layer& of, std::size_t tokens);

  const minimoe::capi::Shared<minimoe_moe_layer> layer;
  const std::size_t max_tokens;
  minimoe::Arena arena;
  minimoe::capi::MoEForward forward;
  std::size_t seq_len = 0;     // of the forward
  bool holds_routing = false;  // a backward leaves the routing decisions
};
