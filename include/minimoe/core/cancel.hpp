// SPDX-License-Identifier: Apache-2.0
// Stopping long work from outside.
#pragma once

#include <atomic>

#include "minimoe/core/error.hpp"

namespace minimoe {

/// Fired from any thread or a signal handler; stays fired.
class CancelFlag {
 public:
  void fire() noexcept { fired_.store(true, std::memory_order_relaxed); }
  bool fired() const noexcept { return fired_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> fired_{false};
  static_assert(std::atomic<bool>::is_always_lock_free);
};

/// @param cancel null: never fired. @throws Error(kCancelled) when it was.
inline void throw_if_cancelled(const CancelFlag* cancel, const char* where) {
  if (cancel && cancel->fired()) throw Error(ErrorCode::kCancelled, concat(where, ": cancelled"));
}

}  // namespace minimoe
