// SPDX-License-Identifier: Apache-2.0
#include "minimoe/train/token_batches.hpp"

#include <algorithm>

namespace minimoe {
namespace {

// The window read last becomes row `row`: inputs, and targets shifted by one.
void split_window(std::size_t row, const MicroBatch& batch) {
  const std::size_t seq_len = batch.window.size() - 1;
  std::copy_n(batch.window.data(), seq_len, batch.tokens.data() + row * seq_len);
  std::copy_n(batch.window.data() + 1, seq_len, batch.targets.data() + row * seq_len);
}

std::span<std::int32_t> window_span(const MicroBatch& batch) { return {batch.window.data(), batch.window.size()}; }

}  // namespace

TrainBatches::TrainBatches(const TokenSource& source, std::uint64_t seed, std::size_t accumulation_steps)
    : source_(source), seed_(seed), accumulation_steps_(accumulation_steps) {}

void TrainBatches::fill(std::int64_t step, std::size_t micro, std::size_t batch_size, std::size_t,
                        const MicroBatch& batch) const {
  const std::uint64_t first =
      (static_cast<std::uint64_t>(step) * accumulation_steps_ + micro) * static_cast<std::uint64_t>(batch_size);
  for (std::size_t row = 0; row < batch_size; ++row) {
    source_.train_window(seed_, first + row, window_span(batch), {});
    split_window(row, batch);
  }
}

EvalBatches::EvalBatches(const TokenSource& source, Split split, std::size_t seq_len, std::uint64_t max_windows)
    : source_(source), split_(split), num_windows_(require_eval_windows(source, split, seq_len)) {
  if (max_windows > 0) num_windows_ = std::min(num_windows_, max_windows);
}

std::int64_t EvalBatches::num_batches(std::size_t batch_size) const {
  return static_cast<std::int64_t>((num_windows_ + batch_size - 1) / batch_size);
}

void EvalBatches::fill(std::int64_t step, std::size_t, std::size_t batch_size, std::size_t seq_len,
                       const MicroBatch& batch) const {
  for (std::size_t row = 0; row < batch_size; ++row) {
    const std::uint64_t index = static_cast<std::uint64_t>(step) * batch_size + row;
    if (index < num_windows_) {
      source_.eval_window(split_, index, window_span(batch), {});
      split_window(row, batch);
    } else {
      std::fill_n(batch.tokens.data() + row * seq_len, seq_len, 0);
      std::fill_n(batch.targets.data() + row * seq_len, seq_len, kIgnoreIndex);
      std::fill_n(batch.valid.data() + row * seq_len, seq_len, std::uint8_t{0});
    }
  }
}

}  // namespace minimoe
