// SPDX-License-Identifier: Apache-2.0
// The border between exceptions and status codes.
#pragma once

#include <minimoe/core/error.hpp>
#include <new>

#include "minimoe.h"

namespace minimoe::capi {

/// Throws what leaves the interface as `code`. For the codes that the core does not know.
template <class... Args>
[[noreturn]] void fail(minimoe_status code, const Args&... message) {
  throw Error(static_cast<ErrorCode>(code), concat(message...));
}

/// What the host's allocator could not give.
class OutOfMemory final : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::size_t bytes) : bytes_(bytes) {}
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::size_t bytes_;
};

/// The status of the exception in flight; fills *err (null: not wanted) without allocating. To be called in a handler.
minimoe_status report_exception(minimoe_error* err) noexcept;

/// Runs the body of the exported function `name`; nothing it throws gets out. The body is given the name for its
/// messages: `return guarded(__func__, err, [&](const char* where) { ... });`
template <class Body>
minimoe_status guarded(const char* name, minimoe_error* err, Body&& body) noexcept {
  try {
    body(name);
    return MINIMOE_OK;
  } catch (...) {
    return report_exception(err);
  }
}

}  // namespace minimoe::capi
