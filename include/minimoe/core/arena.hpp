// SPDX-License-Identifier: Apache-2.0
// One block of memory that holds every buffer of a training step, planned before it is allocated.
#pragma once

#include <algorithm>

#include "minimoe/core/tensor.hpp"

namespace minimoe {

/// Hands out buffers from one block. The same planning code runs twice: once to measure, once to place:
///
///     Arena arena(resource);
///     arena.build([&](Arena& a) { cache.plan(a, config, num_tokens); });
///
/// so that Arena::measure(plan) is exactly what build(plan) will allocate. Buffers start zeroed.
/// mark()/release() let buffers that are never alive together share bytes (a stack).
class Arena {
 public:
  explicit Arena(MemoryResource* resource = nullptr)
      : resource_(resource ? resource : std::pmr::get_default_resource()) {}
  ~Arena() { clear(); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Bytes that build(plan) would allocate.
  template <class Plan>
  static std::size_t measure(Plan&& plan) {
    Arena counter;
    plan(counter);
    return counter.peak_;
  }

  template <class Plan>
  void build(Plan&& plan) {
    clear();
    const std::size_t bytes = measure(plan);
    if (bytes > 0) {
      block_ = static_cast<std::byte*>(resource_->allocate(bytes, kAlignment));
      size_ = bytes;
      std::fill_n(block_, bytes, std::byte{0});
    }
    used_ = peak_ = 0;
    plan(*this);
  }

  /// A buffer of `shape`. While measuring its data pointer is null and only its shape may be used.
  template <class T, std::size_t N>
  View<T, N> take(const std::array<std::size_t, N>& shape) {
    const std::size_t count = element_count(shape, sizeof(T));
    const std::size_t bytes = (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    T* data = block_ ? reinterpret_cast<T*>(block_ + used_) : nullptr;
    used_ += bytes;
    peak_ = std::max(peak_, used_);
    if (block_ && used_ > size_) throw Error(ErrorCode::kInternal, "arena: the plan took more than it measured");
    return View<T, N>(data, shape);
  }

  std::size_t mark() const { return used_; }
  void release(std::size_t mark) { used_ = mark; }
  std::size_t size() const { return size_; }
  MemoryResource* resource() const { return resource_; }

 private:
  void clear() {
    if (block_) resource_->deallocate(block_, size_, kAlignment);
    block_ = nullptr;
    size_ = used_ = peak_ = 0;
  }

  MemoryResource* resource_;
  std::byte* block_ = nullptr;
  std::size_t size_ = 0, used_ = 0, peak_ = 0;
};

}  // namespace minimoe
