// SPDX-License-Identifier: Apache-2.0
// A small model over a small dataset with classes.
#pragma once

#include "minimoe/data/memory_source.hpp"
#include "support/toy_training.hpp"

namespace minimoe::test {

/// Two MoE layers of four experts each, two a token.
inline ModelConfig traced_config(double capacity_factor = 0, double eval_capacity_factor = 0) {
  ModelConfig config = toy_model();
  config.moe_layers = {0, 1};
  config.moe.capacity_factor = capacity_factor;
  config.moe.eval_capacity_factor = eval_capacity_factor;
  return config;
}

inline MiniGPT<double> traced_model(const ModelConfig& config) {
  MiniGPT<double> model(config);
  model.initialize(5);
  return model;
}

/// 600 tokens below 11; class token % 3, unless `with_classes` is false.
inline MemorySource traced_source(bool with_classes = true) {
  MemorySourceOptions options;
  options.vocab_size = 11;
  options.val_fraction = 0.5;
  if (with_classes) options.class_names = {"a", "b", "c"};
  MemorySource source(options);
  const RandomStream stream(3, "traced");
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> classes;
  for (std::size_t i = 0; i < 600; ++i) {
    tokens.push_back(static_cast<std::int32_t>(stream.below(i, 11)));
    if (with_classes) classes.push_back(static_cast<std::uint8_t>(tokens.back() % 3));
  }
  source.append(std::span<const std::int32_t>(tokens), classes);
  return source;
}

inline WindowChoice traced_windows(std::uint64_t max_windows = 10) {
  WindowChoice choice;
  choice.seq_len = 6;
  choice.batch_size = 4;
  choice.max_windows = max_windows;
  return choice;
}

}  // namespace minimoe::test
