// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <minimoe/data/memory_source.hpp>
#include <minimoe/train/run_config.hpp>
#include <optional>

#include "handle.hpp"
#include "options.hpp"

namespace minimoe::capi {

/// The split that a caller names; an unknown one is refused in the name of `function`.
Split input_split(const char* function, const char* split);

/// A caller's data: tells the caller, once armed, when its last user is gone.
class Borrowed {
 public:
  Borrowed() = default;
  ~Borrowed() {
    if (release_) release_(user_data_);
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  void arm(minimoe_release_fn release, void* user_data) {
    release_ = release;
    user_data_ = user_data;
  }

 private:
  minimoe_release_fn release_ = nullptr;
  void* user_data_ = nullptr;
};

}  // namespace minimoe::capi

/// A source of tokens. Whoever reads it, a trainer too, holds the read side of the lock: minimoe_dataset_append_*
/// changes the source under the write side, and nothing else changes it.
struct minimoe_dataset : minimoe::capi::Handle {
  static constexpr minimoe::capi::Kind kKind = minimoe::capi::Kind::kDataset;
  minimoe_dataset(const char* function, const minimoe_options* caller_options)
      : Handle(kKind), options(function, caller_options) {}

  const minimoe::TokenSource& source() const { return *owned_source; }

  const minimoe::capi::Options options;
  std::optional<minimoe::DataConfig> data;  ///< what was opened; none for a dataset in memory
  minimoe::capi::Borrowed borrowed;         ///< outlives the source
  std::unique_ptr<minimoe::TokenSource> owned_source;
  minimoe::MemorySource* memory = nullptr;  ///< the source, when tokens can be appended to it
};
