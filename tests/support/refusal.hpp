// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "minimoe/core/error.hpp"
#include "support/allocation_counter.hpp"
#include "support/catch.hpp"

namespace minimoe_test {

/// The message of the error that Reader(path) must throw, after checking its code, that it begins with the path, is no
/// long list and came before any large allocation; empty when the file (or directory) was accepted.
template <class Reader>
std::string refusal(const std::string& path, minimoe::ErrorCode code) {
  reset_largest_allocation();
  try {
    const Reader reader(path);
  } catch (const minimoe::Error& error) {
    const std::string message = error.what();
    INFO(message);
    CHECK(largest_allocation() < (1 << 20));
    CHECK(error.code() == code);
    CHECK(message.size() < 1500);
    CHECK((message.rfind(path + ": ", 0) == 0 || message.rfind(path + "/", 0) == 0));
    return message;
  }
  return {};
}

}  // namespace minimoe_test
