// SPDX-License-Identifier: Apache-2.0
// Small models and batches for tests of the model and the trainer.
#pragma once

#include <algorithm>
#include <vector>

#include "minimoe/train/trainer.hpp"

namespace minimoe::test {

/// Two blocks, the second an MoE layer; every gradient is well above rounding.
inline ModelConfig toy_model(ModelConfig config = gpt2_preset()) {
  config.vocab_size = 11;
  config.max_seq_len = 6;
  config.num_layers = 2;
  config.d_model = 8;
  config.num_heads = 2;
  config.d_ff = 12;
  config.init_std = 0.3;
  config.moe_layers = {1};
  config.moe.num_experts = 4;
  config.moe.top_k = 2;
  config.moe.d_expert = 12;
  config.moe.router_init_std = 0.7;
  return config;
}

inline TrainConfig toy_training() {
  TrainConfig config;
  config.steps = 50;
  config.batch_size = 3;
  config.seq_len = 6;
  config.learning_rate = 1e-2;
  config.min_learning_rate = 1e-3;
  config.warmup_steps = 5;
  return config;
}

/// Uniformly random tokens whose target is a fixed function of the token, addressed by (step, micro, row). Row r of the
/// micro-batch `micro` of size B is row micro * B + r of the step, so A micro-batches of B hold what one of A * B does.
class ToyBatches : public BatchSource {
 public:
  explicit ToyBatches(std::size_t vocab_size, std::uint64_t seed = 1) : vocab_size_(vocab_size), stream_(seed, "toy") {}

  /// Valid tokens of each row of the step (0: the row is padding); rows beyond the list are whole.
  std::vector<std::size_t> row_lengths;
  /// Every step gives the batch of step 0.
  bool one_batch = false;
  /// What stands in the padding.
  std::int32_t padding_token = 0;

  void fill(std::int64_t step, std::size_t micro, std::size_t batch_size, std::size_t seq_len,
            const MicroBatch& batch) const override {
    if (one_batch) step = 0;
    for (std::size_t r = 0; r < batch_size; ++r) {
      const std::size_t row = micro * batch_size + r;
      const std::size_t length = row < row_lengths.size() ? row_lengths[row] : seq_len;
      for (std::size_t s = 0; s < seq_len; ++s) {
        const std::uint64_t at = (static_cast<std::uint64_t>(step) * 1000 + row) * seq_len + s;
        const std::size_t t = r * seq_len + s;
        const bool valid = s < length;
        batch.valid(t) = valid;
        batch.tokens(t) = valid ? static_cast<std::int32_t>(stream_.below(at, vocab_size_)) : padding_token;
        batch.targets(t) = static_cast<std::int32_t>((static_cast<std::size_t>(batch.tokens(t)) * 3 + 1) % vocab_size_);
      }
    }
  }

 private:
  std::size_t vocab_size_;
  RandomStream stream_;
};

/// The values of every parameter and buffer, in registry order.
template <class T>
std::vector<T> all_values(MiniGPT<T>& model) {
  std::vector<T> values;
  for (const ParameterRef<T>& p : model.parameters()) values.insert(values.end(), p.value, p.value + p.size());
  return values;
}

template <class T>
ParameterRef<T> find_parameter(MiniGPT<T>& model, const std::string& name) {
  for (const ParameterRef<T>& p : model.parameters()) {
    if (p.name == name) return p;
  }
  throw Error(ErrorCode::kInternal, "no parameter " + name);
}

inline ExecOptions threads(int num_threads) {
  ExecOptions options;
  options.num_threads = num_threads;
  return options;
}

}  // namespace minimoe::test
