// SPDX-License-Identifier: Apache-2.0
// Where the time of a training step goes, operation by operation. Costs one comparison a scope when it is off.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "minimoe/core/exec.hpp"

namespace minimoe {

enum class Operation {
  kRest,  ///< what stands in no scope
  kData,
  kZeroGradients,
  kEmbedding,
  kNorm,
  kQkv,
  kRope,  ///< and the norm of query and key heads
  kAttention,
  kProj,
  kResidual,
  kRouter,       ///< its product, gate, counts and balance losses
  kDispatch,     ///< capacity, grouping, gather and combine
  kExperts,      ///< products, biases and activation, which is part of a product's end
  kFeedForward,  ///< the same of dense blocks and shared experts
  kHead,
  kCrossEntropy,
  kGradientNorm,
  kOptimizer,
};
constexpr std::size_t kNumOperations = static_cast<std::size_t>(Operation::kOptimizer) + 1;
/// "rest", "data", "zero_gradients", ...
const char* operation_name(Operation operation);

enum class Pass { kStep, kForward, kBackward };  ///< kStep: neither, once a step
constexpr std::size_t kNumPasses = 3;
/// "step", "forward", "backward"
const char* pass_name(Pass pass);

/// Wall time of the calling thread, each moment counted for one operation: a scope inside another pauses that.
class Profile {
 public:
  struct Entry {
    std::int64_t nanoseconds = 0;
    std::int64_t calls = 0;
    double flops = 0;  ///< of the matrix products, 2 a multiply-add; elementwise work is not counted
  };

  std::int64_t num_steps() const { return num_steps_; }
  /// Sums over the steps that were completed. Over all operations and passes they are the time of these steps.
  const Entry& entry(Operation operation, Pass pass) const { return sums_[index(operation, pass)]; }
  /// {"num_steps", "ms", "flops", "operations": [{"operation", "pass", "ms", "calls", "flops"}]}, means over the steps;
  /// operations that took no time are left out; zeros before the first step.
  std::string json() const;

 private:
  friend class ProfiledStep;
  friend class ProfileScope;
  using Clock = std::chrono::steady_clock;
  using Entries = std::array<Entry, kNumOperations * kNumPasses>;

  static std::size_t index(Operation operation, Pass pass) {
    return static_cast<std::size_t>(operation) * kNumPasses + static_cast<std::size_t>(pass);
  }
  /// From now on time goes to `entry`.
  void switch_to(std::size_t entry) {
    const Clock::time_point now = Clock::now();
    step_[current_].nanoseconds += std::chrono::duration_cast<std::chrono::nanoseconds>(now - since_).count();
    since_ = now;
    current_ = entry;
  }

  Entries sums_{}, step_{};
  std::size_t current_ = 0;
  Clock::time_point since_{};
  std::int64_t num_steps_ = 0;
};

/// One training step, profiled into `profile` unless that is null. A step that is not completed counts for nothing.
class ProfiledStep {
 public:
  ProfiledStep(Exec& exec, Profile* profile);
  ~ProfiledStep() { exec_.set_profile(nullptr); }
  ProfiledStep(const ProfiledStep&) = delete;
  ProfiledStep& operator=(const ProfiledStep&) = delete;
  void complete();

 private:
  Exec& exec_;
  Profile* profile_;
};

/// The operation that the calling thread is in until the scope ends. Inside a body of parallel_for it does nothing:
/// the scope around the loop has the time.
class ProfileScope {
 public:
  ProfileScope(Exec& exec, Pass pass, Operation operation, double flops = 0) : pass_(pass) {
    if (exec.profile() == nullptr || exec.inside_parallel_for()) return;
    profile_ = exec.profile();
    outer_ = profile_->current_;
    next(operation, flops);
  }
  ~ProfileScope() {
    if (profile_ != nullptr) profile_->switch_to(outer_);
  }
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

  /// Goes over to another operation of the same pass.
  void next(Operation operation, double flops = 0) {
    if (profile_ == nullptr) return;
    const std::size_t entry = Profile::index(operation, pass_);
    profile_->switch_to(entry);
    ++profile_->step_[entry].calls;
    profile_->step_[entry].flops += flops;
  }

 private:
  Profile* profile_ = nullptr;
  std::size_t outer_ = 0;
  Pass pass_;
};

/// FLOPs of a product of [m, k] and [k, n].
inline double product_flops(std::size_t m, std::size_t n, std::size_t k) {
  return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

}  // namespace minimoe
