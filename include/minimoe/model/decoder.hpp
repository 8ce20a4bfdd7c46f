// SPDX-License-Identifier: Apache-2.0
// One sequence, token after token, with the keys and values of what came before (a KV cache).
#pragma once

#include <memory>
#include <optional>

#include "minimoe/core/packed_weights.hpp"
#include "minimoe/model/minigpt.hpp"

namespace minimoe {

/// The logits that follow a text: bit for bit those of the last position of MiniGPT::forward on the same text (native
/// backend), for any number of threads and however the text was cut into calls.
///
/// With a capacity limit at inference (moe.eval_capacity_factor > 0) what happens to a token depends on the others of
/// its call, so that no key is final: then start() is possible, append() is not.
template <class T>
class Decoder {
 public:
  /// @param model must outlive the decoder. @param capacity tokens that can be kept, 1..max_seq_len. @param num_threads
  ///   of the contexts that it will be called with, at most. @param packed of the model's linear_weights(): a token
  ///   takes less time and has the same bits; null: none.
  Decoder(const MiniGPT<T>& model, std::size_t capacity, int num_threads, MemoryResource* resource = nullptr,
          std::shared_ptr<const PackedWeights<T>> packed = nullptr);

  /// Bytes that a decoder holds: 2 * num_layers * capacity * num_kv_heads * head_dim elements of keys and values, and
  /// the activations of one token. A start() with n tokens holds the activations of n in one block more, until
  /// append().
  static std::size_t memory_bytes(const ModelConfig& config, std::size_t capacity, int num_threads);

  /// Begins anew with `text` (1..capacity tokens), in one go. @return the logits [V] after it, valid until the next
  /// call.
  View<const T, 1> start(Exec& exec, View<const std::int32_t, 1> text);
  /// Adds one token. Allocates nothing. @return likewise.
  /// @throws Error(kInvalidArgument) when `capacity` tokens are kept, Error(kUnsupported) with a capacity limit.
  View<const T, 1> append(Exec& exec, std::int32_t token);

  /// Held now, with the block of a start(), without packed weights.
  std::size_t memory_bytes() const { return arena_.size() + (start_arena_ ? start_arena_->size() : 0); }
  /// Tokens kept.
  std::size_t length() const { return past_.front().length; }
  std::size_t capacity() const { return capacity_; }
  bool can_append() const { return !limited_; }

 private:
  View<const T, 1> forward(Exec& exec, View<const std::int32_t, 1> tokens, NextCache<T>& cache);

  const MiniGPT<T>& model_;
  const std::size_t capacity_;
  const int num_threads_;
  const bool limited_;
  const std::shared_ptr<const PackedWeights<T>> packed_;
  Arena arena_;
  std::deque<Past<T>> past_;
  NextCache<T> one_;
  View<T, 2> logits_;
  // Of start(), for as many tokens as it had.
  std::optional<Arena> start_arena_;
  NextCache<T> start_;
};

}  // namespace minimoe
