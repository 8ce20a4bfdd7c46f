// SPDX-License-Identifier: Apache-2.0
// What calls on one handle compute with, lent to each for its length, so that readers can run side by side.
#pragma once

#include <algorithm>
#include <atomic>
#include <list>
#include <memory>
#include <minimoe/core/arena.hpp>
#include <mutex>

#include "options.hpp"

namespace minimoe::capi {

/// An execution context, and buffers that grow to the largest call seen.
template <class Cache>
class Workspace {
 public:
  explicit Workspace(const ExecOptions& options) : exec(options), arena_(options.resource) {}

  /// The buffers for a call of `size`, made by plan(arena, cache, size) when those at hand are for less.
  template <class Plan>
  Cache& cache(std::size_t size, Plan&& plan) {
    size = std::max<std::size_t>(size, 1);
    if (size > planned_) {
      planned_ = 0;  // a failed build leaves nothing behind
      arena_.build([&](Arena& arena) {
        cache_ = Cache();
        plan(arena, cache_, size);
      });
      planned_ = size;
    }
    return cache_;
  }

  Exec exec;

 private:
  Arena arena_;
  Cache cache_;
  std::size_t planned_ = 0;
};

/// The workspaces of a handle, made when they are needed. The first one has all the threads of the handle and goes
/// to a call that runs alone; calls beside it get one with a single thread: the bits are the same.
/// @tparam Work made from ExecOptions, with a member `exec`
template <class Work>
class WorkspacePool {
  struct Entry : Work {
    using Work::Work;
    bool lent = true;
  };
  struct Return {
    WorkspacePool* pool;
    void operator()(Entry* entry) const noexcept { pool->give_back(*entry); }
  };

 public:
  /// Goes back at its end.
  using Loan = std::unique_ptr<Entry, Return>;

  /// @param options must outlive the pool. @param num_threads of the handle; 0: as the options say when the first one
  ///   is made
  explicit WorkspacePool(const Options& options, int num_threads = 0) : options_(options), num_threads_(num_threads) {}

  /// A workspace whose threads run: work with it allocates nothing beyond its buffers.
  Loan lend() {
    Loan loan(&take(), Return{this});
    loan->exec.start_threads();
    return loan;
  }

 private:
  Entry& take() {
    bool first = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (Entry& entry : entries_) {
        if (!entry.lent) {
          entry.lent = true;
          return entry;
        }
      }
      first = !has_first_.exchange(true);
    }
    std::list<Entry> made;  // without the lock: the host's allocator is called
    try {
      made.emplace_back(options_.exec(first ? num_threads_ : 1));
    } catch (...) {
      if (first) has_first_ = false;
      throw;
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    entries_.splice(first ? entries_.begin() : entries_.end(), made);
    return first ? entries_.front() : entries_.back();
  }
  void give_back(Entry& entry) {
    const std::lock_guard<std::mutex> lock(mutex_);
    entry.lent = false;
  }

  const Options& options_;
  const int num_threads_;
  std::mutex mutex_;  // held only inside a call, so the child of a fork finds it free on every idle handle
  std::list<Entry> entries_;
  std::atomic<bool> has_first_{false};
};

}  // namespace minimoe::capi
