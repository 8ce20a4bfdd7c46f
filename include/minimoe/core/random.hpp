// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers: every draw is addressed by (seed, name, index), so no draw depends on what ran before.
#pragma once

#include <cstdint>
#include <string_view>

namespace minimoe {

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) keyed by seed; the stream's
/// name and the index form the counter. A value type; draws are const, free of state, and safe from any thread.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::string_view name);

  /// 64 uniformly distributed bits.
  std::uint64_t bits(std::uint64_t index) const;
  /// Uniform in [0, 1), a multiple of 2^-53.
  double uniform(std::uint64_t index) const;
  /// Uniform integer in [0, bound); bound must be positive. Bias below bound / 2^64.
  std::uint64_t below(std::uint64_t index, std::uint64_t bound) const;
  /// Standard normal by Box-Muller.
  double normal(std::uint64_t index) const;

 private:
  std::uint64_t seed_;
  std::uint64_t name_hash_;
};

}  // namespace minimoe
