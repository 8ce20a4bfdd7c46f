// SPDX-License-Identifier: Apache-2.0
// The batches of one optimizer step, and what is counted in them.
#pragma once

#include <vector>

#include "minimoe/train/trainer.hpp"

namespace minimoe {

class MicroBatches {
 public:
  void plan(Arena& arena, const TrainConfig& config);

  /// Micro-batch `micro` of `step` into place `slot`. Targets of padding are never counted.
  void fill(const BatchSource& source, std::int64_t step, std::size_t micro, std::size_t slot);

  TokenBatch tokens(std::size_t slot) const;
  View<std::int32_t, 1> targets(std::size_t slot) const { return view(targets_, slot); }

  std::int64_t num_tokens() const;  ///< valid ones, of all
  std::int64_t num_targets() const;
  /// Sequences with a valid token (padding is on the right) in places [begin, end).
  std::int64_t num_sequences(std::size_t begin, std::size_t end) const;

 private:
  template <class U>
  View<U, 1> view(const View<U, 2>& all, std::size_t slot) const {
    return View<U, 1>(all.row(slot), {all.shape(1)});
  }

  std::size_t batch_size_ = 0, seq_len_ = 0;
  View<std::int32_t, 2> tokens_, targets_;  // [A, B * S]
  View<std::uint8_t, 2> valid_;
  View<std::int32_t, 1> window_;      // [S + 1]
  std::vector<std::int64_t> num_of_;  // [A] valid tokens
};

}  // namespace minimoe
