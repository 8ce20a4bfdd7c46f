// SPDX-License-Identifier: Apache-2.0
// What every handle begins with: its kind, its owners, its lock and its process.
#pragma once

#include <atomic>
#include <cstdint>

#include "error.hpp"

namespace minimoe::capi {

enum class Kind : std::uint32_t {
  kCancelToken = 0x6d6d4301,
  kDataset = 0x6d6d4401,
  kModel = 0x6d6d4d01,
  kMoELayer = 0x6d6d4c01,
  kMoECache = 0x6d6d4801,
  kTrainer = 0x6d6d5401,
  kTokenStream = 0x6d6d5301,
};

/// "model"
const char* kind_name(Kind kind);

/// Base of the types behind the C handles. The kind stands first, so that a handle of one type that is passed as
/// another is recognised.
class Handle {
 public:
  explicit Handle(Kind kind);
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  Kind kind() const { return kind_; }
  void retain() const { owners_.fetch_add(1, std::memory_order_relaxed); }
  /// Throws FORKED, naming `function`, when the handle was inside a call as this process was forked.
  void require_whole(const char* function) const;
  /// True for the last owner, who destroys.
  bool release() const { return owners_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

 protected:
  ~Handle();

 private:
  friend class Call;
  // Takes a side of the lock, or throws BUSY or FORKED naming `function`.
  void enter(const char* function, bool writing) const;
  void leave(bool writing) const;

  Kind kind_;
  mutable std::atomic<std::int32_t> users_{0};  // readers; -1: a writer
  mutable std::atomic<std::int64_t> owners_{1};
  mutable std::atomic<std::uint64_t> process_;  // the process_generation() of the last one that used it
};

/// Throws unless `handle` is a live handle of this kind.
void check_kind(const char* function, const char* parameter, const void* handle, Kind kind);

/// The handle behind a C pointer, checked.
template <class H>
H& checked(const char* function, const char* parameter, H* handle) {
  check_kind(function, parameter, handle, H::kKind);
  return *handle;
}

/// Adds an owner for the caller.
template <class H>
void add_owner(const char* function, const char* parameter, H* handle) {
  H& owned = checked(function, parameter, handle);
  owned.require_whole(function);
  owned.retain();
}

/// Destroys a handle when this was its last owner. Null, or a handle of another kind, is left alone.
template <class H>
void release(H* handle) noexcept {
  if (handle && handle->kind() == H::kKind && handle->release()) delete handle;
}

/// An owner's share of a handle.
template <class H>
class Shared {
 public:
  explicit Shared(H& handle) : handle_(&handle) { handle.retain(); }
  ~Shared() { release(handle_); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  H& operator*() const { return *handle_; }
  H* operator->() const { return handle_; }

 private:
  H* handle_;
};

/// One side of a handle's lock, for the length of a call.
class Call {
 public:
  Call(const char* function, const Handle& handle, bool writing) : handle_(handle), writing_(writing) {
    handle_.enter(function, writing_);
  }
  ~Call() { handle_.leave(writing_); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  const Handle& handle_;
  const bool writing_;
};

/// A checked handle for the length of a call: kept alive and locked. `Reading<minimoe_model> model(__func__, "model",
/// p)`.
template <class H, bool kWriting>
class Using {
 public:
  Using(const char* function, const char* parameter, const H* handle)
      : share_(checked(function, parameter, const_cast<H*>(handle))), call_(function, *share_, kWriting) {}
  auto& operator*() const { return *share_; }
  auto* operator->() const { return &*share_; }

 private:
  Shared<H> share_;  // outlives the lock
  Call call_;
};
template <class H>
using Reading = Using<H, false>;
template <class H>
using Writing = Using<H, true>;

}  // namespace minimoe::capi
