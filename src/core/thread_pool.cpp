// SPDX-License-Identifier: Apache-2.0
#include "core/thread_pool.hpp"

#include <chrono>
#include <system_error>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <signal.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace minimoe {
namespace {

void pause_briefly() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// Rounding and denormal handling: a worker computes under the caller's, or bits would depend on which thread took a
// chunk.
std::uint32_t float_control() {
#if defined(__x86_64__) || defined(_M_X64)
  return _mm_getcsr() & ~0x3fu;  // without the sticky exception flags
#else
  return 0;
#endif
}

void set_float_control([[maybe_unused]] std::uint32_t control) {
#if defined(__x86_64__) || defined(_M_X64)
  if (float_control() != control) _mm_setcsr(control);
#endif
}

// Polls for at most some tens of microseconds: the gap between two loops of one training step.
template <class Condition>
bool spin_until(Condition condition) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + std::chrono::microseconds(40);
  do {
    for (int i = 0; i < 32; ++i) {
      if (condition()) return true;
      pause_briefly();
    }
  } while (Clock::now() < end);
  return condition();
}

// Our threads must not be the ones on which the host's signal handlers run.
class SignalsBlocked {
 public:
#if defined(__unix__) || defined(__APPLE__)
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &old_, nullptr); }

 private:
  sigset_t old_;
#endif
};

}  // namespace

ThreadPool::ThreadPool(int num_threads, bool spin) : spin_(spin) {
  const SignalsBlocked blocked;
  threads_.reserve(static_cast<std::size_t>(num_threads));
  try {
    for (int worker = 1; worker < num_threads; ++worker) threads_.emplace_back([this, worker] { work(worker); });
  } catch (...) {
    // No thread or no memory for one: fewer threads compute the same bits.
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_workers_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::run(std::size_t count, std::size_t chunk, Task task, void* context) {
  const auto num_chunks = static_cast<std::uint32_t>((count + chunk - 1) / chunk);
  // Closed first: whoever reads any part of the new description then fails to claim a chunk under the old number.
  const std::uint64_t previous = ticket_.load(std::memory_order_relaxed) >> 32;
  ticket_.store(previous << 32 | kClosed);
  task_.store(task, std::memory_order_release);
  context_.store(context, std::memory_order_release);
  count_.store(count, std::memory_order_release);
  chunk_.store(chunk, std::memory_order_release);
  num_chunks_.store(num_chunks, std::memory_order_release);
  float_control_.store(float_control(), std::memory_order_release);
  done_.store(0, std::memory_order_relaxed);
  // Sequentially consistent with num_sleeping_: either we see the sleeper, or it sees the new job.
  ticket_.store((previous + 1) << 32);
  if (num_sleeping_.load() > 0) {
    { const std::lock_guard<std::mutex> lock(mutex_); }
    wake_workers_.notify_all();
  }
  take_chunks(0);
  wait_until_done(num_chunks);
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::wait_until_done(std::uint32_t num_chunks) {
  const auto all_done = [&] { return done_.load(std::memory_order_acquire) == num_chunks; };
  if (all_done() || (spin_ && spin_until(all_done))) return;
  std::unique_lock<std::mutex> lock(mutex_);
  caller_sleeping_ = true;
  wake_caller_.wait(lock, [&] { return done_.load() == num_chunks; });
  caller_sleeping_ = false;
}

ThreadPool::Job ThreadPool::load_job() const {
  return {task_.load(std::memory_order_acquire),       context_.load(std::memory_order_acquire),
          count_.load(std::memory_order_acquire),      chunk_.load(std::memory_order_acquire),
          num_chunks_.load(std::memory_order_acquire), float_control_.load(std::memory_order_acquire)};
}

void ThreadPool::take_chunks(int worker) {
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  for (;;) {
    const Job job = load_job();
    const auto index = static_cast<std::uint32_t>(ticket);
    if (index >= job.num_chunks) return;
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    run_chunk(job, index, worker);
    // After this the caller may return and describe another job.
    const std::uint32_t done = done_.fetch_add(1) + 1;
    if (done == job.num_chunks && worker != 0 && caller_sleeping_.load()) {
      { const std::lock_guard<std::mutex> lock(mutex_); }
      wake_caller_.notify_one();
    }
    ticket = ticket_.load(std::memory_order_acquire);
  }
}

void ThreadPool::run_chunk(const Job& job, std::uint32_t index, int worker) {
  if (worker != 0) set_float_control(job.float_control);
  const std::size_t begin = index * job.chunk;
  const std::size_t end = job.count - begin < job.chunk ? job.count : begin + job.chunk;
  try {
    job.task(job.context, begin, end, worker);
  } catch (...) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!error_ || index < error_chunk_) {
      error_ = std::current_exception();
      error_chunk_ = index;
    }
  }
}

void ThreadPool::work(int worker) {
  std::uint64_t seen = 0;  // number of the last job looked at
  const auto new_job = [&] { return ticket_.load(std::memory_order_acquire) >> 32 != seen; };
  for (;;) {
    if (!(spin_ && spin_until([&] { return new_job() || stop_.load(std::memory_order_relaxed); }))) {
      std::unique_lock<std::mutex> lock(mutex_);
      num_sleeping_.fetch_add(1);
      wake_workers_.wait(lock, [&] { return stop_.load() || ticket_.load() >> 32 != seen; });
      num_sleeping_.fetch_sub(1);
    }
    if (stop_.load()) return;
    seen = ticket_.load(std::memory_order_acquire) >> 32;
    take_chunks(worker);
  }
}

}  // namespace minimoe
