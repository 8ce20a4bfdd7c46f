// SPDX-License-Identifier: Apache-2.0
// Batches from a token source, addressed by (seed, step), and evaluation with its probes.
#pragma once

#include "minimoe/data/token_source.hpp"
#include "minimoe/train/trainer.hpp"

namespace minimoe {

/// Training windows: window number (step * A + micro) * B + row of the seed's stream.
class TrainBatches final : public BatchSource {
 public:
  TrainBatches(const TokenSource& source, std::uint64_t seed, std::size_t accumulation_steps);
  void fill(std::int64_t step, std::size_t micro, std::size_t batch_size, std::size_t seq_len,
            const MicroBatch& batch) const override;

 private:
  const TokenSource& source_;
  std::uint64_t seed_;
  std::size_t accumulation_steps_;
};

/// The evaluation windows of a split, in order; rows past the last window are padding.
class EvalBatches final : public BatchSource {
 public:
  /// @param max_windows 0: all. @throws Error(kInvalidArgument) when the split has no window of seq_len, naming those
  /// that there are when it has none of any length.
  EvalBatches(const TokenSource& source, Split split, std::size_t seq_len, std::uint64_t max_windows);
  std::uint64_t num_windows() const { return num_windows_; }
  std::int64_t num_batches(std::size_t batch_size) const;
  void fill(std::int64_t step, std::size_t micro, std::size_t batch_size, std::size_t seq_len,
            const MicroBatch& batch) const override;

 private:
  const TokenSource& source_;
  Split split_;
  std::uint64_t num_windows_;
};

}  // namespace minimoe
