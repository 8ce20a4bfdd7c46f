// SPDX-License-Identifier: Apache-2.0
// Fork and join. The caller of run() works too, and never waits for a thread that has not begun: it claims chunks until
// none is left and then waits only for chunks that somebody is computing, so an oversubscribed machine costs little.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace minimoe {

class ThreadPool {
 public:
  using Task = void (*)(void* context, std::size_t begin, std::size_t end, int worker);

  /// Starts num_threads - 1 threads (fewer when the system refuses more); `spin` lets idle ones spin before they sleep.
  ThreadPool(int num_threads, bool spin);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Runs the chunks of [0, count) on all threads; the caller is worker 0. After a body threw, the other chunks still
  /// run, and the exception of the lowest chunk is rethrown: the same one for any number of threads.
  void run(std::size_t count, std::size_t chunk, Task task, void* context);

  /// The most chunks that one run can have.
  static constexpr std::size_t kMaxChunks = 0x7fffffff;

 private:
  struct Job {
    Task task;
    void* context;
    std::size_t count, chunk;
    std::uint32_t num_chunks;
    std::uint32_t float_control;
  };

  void work(int worker);
  void take_chunks(int worker);
  void run_chunk(const Job& job, std::uint32_t index, int worker);
  void wait_until_done(std::uint32_t num_chunks);
  Job load_job() const;

  static constexpr std::uint64_t kClosed = 0x80000000;  // beyond every chunk

  const bool spin_;
  // Number of the job in the upper half, next unclaimed chunk in the lower. A chunk is claimed by compare-and-swap:
  // success proves that the job is still the one whose description was read, for a job's description changes only after
  // all of its chunks are done.
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  alignas(64) std::atomic<std::uint32_t> done_{0};
  alignas(64) std::atomic<Task> task_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<std::size_t> count_{0}, chunk_{1};
  std::atomic<std::uint32_t> num_chunks_{0}, float_control_{0};
  alignas(64) std::atomic<int> num_sleeping_{0};
  std::atomic<bool> caller_sleeping_{false}, stop_{false};

  std::mutex mutex_;
  std::condition_variable wake_workers_, wake_caller_;
  std::exception_ptr error_;
  std::uint32_t error_chunk_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace minimoe
