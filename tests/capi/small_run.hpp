// SPDX-License-Identifier: Apache-2.0
// The smallest run through the C interface that has everything: a dataset in memory, an MoE model, a trainer.
#pragma once

#include <minimoe.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace minimoe_test {

inline constexpr const char* kSmallRun =
    R"({"model":{"vocab_size":13,"d_model":8,"num_heads":2,"max_seq_len":8,"num_layers":2,"d_ff":16,
        "moe":{"layers":[1],"num_experts":4,"top_k":2,"d_expert":16,"bias_balancing":true}},
        "train":{"batch_size":2,"seq_len":8,"accumulation_steps":3,"steps":50,"warmup_steps":2,"seed":7}})";
inline constexpr const char* kSmallData = R"({"vocab_size":13,"val_fraction":0.25})";

inline std::vector<std::int32_t> small_tokens(std::size_t count = 200) {
  std::vector<std::int32_t> tokens(count);
  for (std::size_t i = 0; i < count; ++i) tokens[i] = static_cast<std::int32_t>(i * i % 13);
  return tokens;
}

/// Handles of one run; freed at the end. `status` is that of the first call that failed.
struct SmallRun {
  minimoe_options options{};
  minimoe_dataset* dataset = nullptr;
  minimoe_model* model = nullptr;
  minimoe_trainer* trainer = nullptr;
  minimoe_error error{};
  minimoe_status status = MINIMOE_OK;

  explicit SmallRun(int num_threads = 1) {
    status = minimoe_options_init(&options, sizeof(options), &error);
    options.num_threads = num_threads;
  }
  ~SmallRun() { free(); }
  SmallRun(const SmallRun&) = delete;
  SmallRun& operator=(const SmallRun&) = delete;

  bool ok() const { return status == MINIMOE_OK; }

  bool create(const char* run = kSmallRun) {
    static const std::vector<std::int32_t> tokens = small_tokens();
    if (ok()) status = minimoe_dataset_create(kSmallData, std::strlen(kSmallData), &options, &dataset, &error);
    if (ok()) status = minimoe_dataset_append_i32(dataset, tokens.data(), tokens.size(), nullptr, 0, &error);
    if (ok()) status = minimoe_model_create(run, std::strlen(run), &options, &model, &error);
    if (ok()) status = minimoe_trainer_create(model, dataset, run, std::strlen(run), &trainer, &error);
    return ok();
  }

  void free() {
    minimoe_trainer_free(trainer);
    minimoe_model_free(model);
    minimoe_dataset_free(dataset);
    trainer = nullptr;
    model = nullptr;
    dataset = nullptr;
  }

  minimoe_status steps(std::int64_t count, minimoe_cancel_token* cancel = nullptr, std::size_t* completed = nullptr) {
    return minimoe_trainer_steps(trainer, count, cancel, nullptr, 0, 0, completed, &error);
  }

  /// All parameters, one after the other.
  std::vector<float> weights() {
    std::vector<float> all;
    std::size_t count = 0;
    status = minimoe_model_num_parameters(model, &count, &error);
    for (std::size_t i = 0; ok() && i < count; ++i) {
      char info[512];
      status = minimoe_model_parameter_info(model, i, info, sizeof(info), nullptr, &error);
      if (!ok()) break;
      const std::string text = info;
      const std::size_t begin = text.find("\"name\":\"") + 8;
      const std::string name = text.substr(begin, text.find('"', begin) - begin);
      std::size_t needed = 0;
      minimoe_model_parameter_get(model, name.c_str(), nullptr, 0, &needed, nullptr);
      const std::size_t at = all.size();
      all.resize(at + needed);
      status = minimoe_model_parameter_get(model, name.c_str(), all.data() + at, needed, nullptr, &error);
    }
    return ok() ? all : std::vector<float>();
  }
};

/// The weights after `steps` undisturbed steps.
inline std::vector<float> weights_after(std::int64_t steps, int num_threads = 1) {
  SmallRun run(num_threads);
  if (!run.create() || run.steps(steps) != MINIMOE_OK) return {};
  return run.weights();
}

}  // namespace minimoe_test
