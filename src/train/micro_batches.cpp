// SPDX-License-Identifier: Apache-2.0
#include "train/micro_batches.hpp"

#include <algorithm>
#include <numeric>

namespace minimoe {

void MicroBatches::plan(Arena& arena, const TrainConfig& config) {
  batch_size_ = config.batch_size;
  seq_len_ = config.seq_len;
  const std::size_t num_tokens = batch_size_ * seq_len_;
  tokens_ = arena.take<std::int32_t, 2>({config.accumulation_steps, num_tokens});
  targets_ = arena.take<std::int32_t, 2>({config.accumulation_steps, num_tokens});
  valid_ = arena.take<std::uint8_t, 2>({config.accumulation_steps, num_tokens});
  window_ = arena.take<std::int32_t, 1>({seq_len_ + 1});
  num_of_.resize(config.accumulation_steps);
}

void MicroBatches::fill(const BatchSource& source, std::int64_t step, std::size_t micro, std::size_t slot) {
  const MicroBatch batch{view(tokens_, slot), view(targets_, slot), view(valid_, slot), window_};
  std::fill_n(batch.valid.data(), batch.valid.size(), std::uint8_t{1});
  source.fill(step, micro, batch_size_, seq_len_, batch);
  num_of_[slot] = 0;
  for (std::size_t t = 0; t < batch.valid.size(); ++t) {
    num_of_[slot] += batch.valid(t) != 0;
    if (!batch.valid(t)) batch.targets(t) = kIgnoreIndex;
  }
}

TokenBatch MicroBatches::tokens(std::size_t slot) const {
  TokenBatch batch;
  batch.tokens = view(tokens_, slot);
  if (num_of_[slot] < static_cast<std::int64_t>(batch.tokens.size())) batch.valid = view(valid_, slot);
  batch.batch_size = batch_size_;
  batch.seq_len = seq_len_;
  return batch;
}

std::int64_t MicroBatches::num_tokens() const {
  return std::accumulate(num_of_.begin(), num_of_.end(), std::int64_t{0});
}

std::int64_t MicroBatches::num_targets() const {
  const std::int32_t* first = targets_.data();
  return static_cast<std::int64_t>(targets_.size()) - std::count(first, first + targets_.size(), kIgnoreIndex);
}

std::int64_t MicroBatches::num_sequences(std::size_t begin, std::size_t end) const {
  std::int64_t count = 0;
  for (const std::uint8_t* row = valid_.row(begin); row != valid_.row(end); row += seq_len_) count += *row != 0;
  return count;
}

}  // namespace minimoe
