// SPDX-License-Identifier: Apache-2.0
#include "handle.hpp"

#include <cstring>

#include "core/process.hpp"

namespace minimoe::capi {

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::kCancelToken:
      return "cancel token";
    case Kind::kDataset:
      return "dataset";
    case Kind::kModel:
      return "model";
    case Kind::kMoELayer:
      return "MoE layer";
    case Kind::kMoECache:
      return "MoE cache";
    case Kind::kTrainer:
      return "trainer";
    case Kind::kTokenStream:
      return "token stream";
  }
  return nullptr;
}

Handle::Handle(Kind kind) : kind_(kind), process_(process_generation()) {}

// A later use of the freed memory, as long as nobody else has it, is then told from a live handle.
Handle::~Handle() {
  volatile Kind& kind = kind_;
  kind = Kind{};
}

void Handle::require_whole(const char* function) const {
  const std::uint64_t process = process_generation();
  std::uint64_t made_in = process_.load(std::memory_order_relaxed);
  if (made_in == process) return;
  // Nobody in this process has used the handle yet: users of the parent's are what the fork caught inside a call. One
  // of this process's (enter() releases its count) has taken the handle over before, which the second load sees.
  if (users_.load(std::memory_order_acquire) != 0 && process_.load(std::memory_order_relaxed) == made_in) {
    fail(MINIMOE_E_FORKED, function, ": the ", kind_name(kind_),
         " was inside a call when this process was forked; free it");
  }
  process_.compare_exchange_strong(made_in, process, std::memory_order_relaxed);
}

void Handle::enter(const char* function, bool writing) const {
  require_whole(function);
  std::int32_t users = users_.load(std::memory_order_relaxed);
  for (;;) {
    if (writing ? users != 0 : users < 0) {
      fail(MINIMOE_E_BUSY, function, ": another call is ", users < 0 ? "writing to" : "reading", " the ",
           kind_name(kind_));
    }
    if (users_.compare_exchange_weak(users, writing ? -1 : users + 1, std::memory_order_acq_rel,
                                     std::memory_order_relaxed)) {
      return;
    }
  }
}

void Handle::leave(bool writing) const {
  if (writing) {
    users_.store(0, std::memory_order_release);
  } else {
    users_.fetch_sub(1, std::memory_order_release);
  }
}

void check_kind(const char* function, const char* parameter, const void* handle, Kind kind) {
  if (!handle) {
    fail(MINIMOE_E_INVALID_ARGUMENT, function, ": ", parameter, " is NULL, expected a ", kind_name(kind));
  }
  require(reinterpret_cast<std::uintptr_t>(handle) % alignof(Handle) == 0, function, ": ", parameter,
          " is no handle of this library");
  std::uint32_t word = 0;
  std::memcpy(&word, handle, sizeof(word));
  if (word == static_cast<std::uint32_t>(kind)) return;
  const char* other = kind_name(static_cast<Kind>(word));
  fail(MINIMOE_E_INVALID_ARGUMENT, function, ": ", parameter, " is ", other ? "a " : "no handle of this library",
       other ? other : "", ", expected a ", kind_name(kind));
}

}  // namespace minimoe::capi
