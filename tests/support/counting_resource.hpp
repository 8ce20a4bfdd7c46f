// SPDX-License-Identifier: Apache-2.0
// A memory resource that counts.
#pragma once

#include <algorithm>
#include <memory_resource>

namespace minimoe::test {

class CountingResource : public std::pmr::memory_resource {
 public:
  std::size_t current() const { return current_; }
  std::size_t peak() const { return peak_; }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    current_ += bytes;
    peak_ = std::max(peak_, current_);
    return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  }
  void do_deallocate(void* p, std::size_t bytes, std::size_t alignment) override {
    current_ -= bytes;
    std::pmr::new_delete_resource()->deallocate(p, bytes, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  std::size_t current_ = 0, peak_ = 0;
};

}  // namespace minimoe::test
