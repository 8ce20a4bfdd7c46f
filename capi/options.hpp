// SPDX-License-Identifier: Apache-2.0
// minimoe_options, checked and made into what the core understands.
#pragma once

#include <memory_resource>
#include <minimoe/core/exec.hpp>

#include "error.hpp"

namespace minimoe::capi {

/// The caller's allocator as a memory resource; the default resource without one.
class HostMemory final : public std::pmr::memory_resource {
 public:
  explicit HostMemory(const minimoe_options& options) : options_(options) {}

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  const minimoe_options& options_;
};

/// A handle's own copy of its options. Stays in place: the memory resource refers to it.
class Options {
 public:
  /// @param options null: all defaults. @throws Error
  Options(const char* function, const minimoe_options* options);
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  MemoryResource* resource() const { return &memory_; }
  /// @param num_threads 0: that of the options
  ExecOptions exec(int num_threads = 0) const;
  /// Tells the caller's log, when it wants that level. Builds no text otherwise. A line for which there is no memory is
  /// left out: what it tells of has happened, and must not be reported as a failure.
  template <class... Args>
  void log(std::int32_t level, const Args&... message) const noexcept {
    if (!wants(level)) return;
    try {
      options_.log(options_.log_user_data, level, concat(message...).c_str());
    } catch (...) {
    }
  }
  bool wants(std::int32_t level) const { return options_.log && level <= options_.log_level; }

 private:
  minimoe_options options_;
  mutable HostMemory memory_{options_};
};

}  // namespace minimoe::capi
