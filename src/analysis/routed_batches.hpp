// SPDX-License-Identifier: Apache-2.0
// The windows of a source as batches that go through a model: what every analysis of a trained model walks.
#pragma once

#include <span>

#include "minimoe/analysis/routing_trace.hpp"

namespace minimoe {

template <class T>
class RoutedBatches {
 public:
  /// @throws Error(kInvalidArgument) as trace_routing.
  RoutedBatches(Exec& exec, const MiniGPT<T>& model, const TokenSource& source, const WindowChoice& choice,
                MemoryResource* resource);

  std::uint64_t num_windows() const { return num_windows_; }
  std::uint64_t num_batches() const { return (num_windows_ + choice_.batch_size - 1) / choice_.batch_size; }

  /// Reads the next batch; false after the last one. @throws Error(kCancelled).
  bool next(const CancelFlag* cancel);
  /// Runs the model on it. @param dropless lifts the capacity.
  void forward(bool dropless = false);
  /// Sum of the cross entropies of the batch, after forward.
  CrossEntropySum loss();

  std::uint64_t first_window() const { return first_window_; }
  std::size_t num_tokens() const { return batch_.batch_size * batch_.seq_len; }
  std::span<const std::int32_t> tokens() const { return {tokens_.data(), num_tokens()}; }
  /// Empty when the source has no classes.
  std::span<const std::uint8_t> classes() const { return {classes_.data(), classes_.empty() ? 0 : num_tokens()}; }
  const BlockCache<T>& block(std::size_t layer) const { return cache_.blocks[layer]; }
  const std::vector<RoutingStats>& routing() const { return cache_.routing; }

 private:
  void read_window(std::uint64_t index);

  Exec& exec_;
  const MiniGPT<T>& model_;
  const TokenSource& source_;
  WindowChoice choice_;
  std::uint64_t num_windows_ = 0, first_window_ = 0, next_window_ = 0;
  std::vector<std::int32_t> tokens_, targets_, window_;
  std::vector<std::uint8_t> classes_, window_classes_;
  TokenBatch batch_;
  Arena arena_;
  ModelCache<T> cache_;
};

}  // namespace minimoe
