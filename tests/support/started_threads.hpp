// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <thread>

namespace minimoe_test {

/// To be called before a fork, after threads were made: one that still starts may hold a lock of AddressSanitizer's
/// (GCC 12), which the child never gets.
inline void let_threads_start() {
#if defined(__SANITIZE_ADDRESS__)
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
#endif
}

}  // namespace minimoe_test
