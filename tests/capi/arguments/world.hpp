// SPDX-License-Identifier: Apache-2.0
// Live handles of every kind, as small as they come, and the data that valid calls use.
#pragma once

#include <string>
#include <vector>

#include "call.hpp"

struct World {
  explicit World(const std::string &directory);
  ~World();
  World(const World &) = delete;
  World &operator=(const World &) = delete;

  /// A live handle of a kind.
  void *handle_of(Kind kind) const;
  /// A forward, which a backward then consumes.
  void forward();
  /// Back to step 0.
  void rewind();
  /// At step 1 or later.
  void one_step();
  void one_profiled_step();

  std::string model_file, checkpoint_file, written_file, missing_file, directory, exported, exported_again, mixtral;
  std::string config, file_json, memory_json, generate_json, analysis_json, hf_json, capacity_json, figures_json,
      manifest_json, run_json, break_json;
  std::string parameter, layer_parameter;
  std::vector<std::int32_t> tokens;
  std::vector<std::uint16_t> tokens_u16;
  std::vector<std::uint8_t> classes, valid, layer_valid;
  std::vector<float> x, d_y, weights, layer_weights;
  std::vector<std::int64_t> load;

  minimoe_cancel_token *token = nullptr, *fired = nullptr, *spare_token = nullptr;
  minimoe_dataset *dataset = nullptr, *growing = nullptr, *grammar = nullptr;
  minimoe_model *model = nullptr, *trained = nullptr, *llama = nullptr;
  minimoe_trainer *trainer = nullptr;
  minimoe_token_stream *stream = nullptr;
  minimoe_moe_layer *layer = nullptr, *other_layer = nullptr;
  minimoe_moe_cache *cache = nullptr, *other_cache = nullptr;
};
