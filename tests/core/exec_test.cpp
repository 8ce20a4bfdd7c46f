// SPDX-License-Identifier: Apache-2.0
#include "minimoe/core/exec.hpp"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"

using namespace minimoe;

namespace {

std::vector<int> visits(Exec& exec, std::size_t count, std::size_t chunk) {
  std::vector<std::atomic<int>> seen(count);
  exec.parallel_for(count, chunk, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i) ++seen[i];
  });
  return std::vector<int>(seen.begin(), seen.end());
}

// Calls body(worker) on each thread of `exec`; false if one did another's. Each waits for the others.
template <class Body>
bool on_all_threads(Exec& exec, Body body) {
  const int expected = exec.num_threads();
  std::atomic<int> arrived{0};
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  exec.parallel_for(static_cast<std::size_t>(expected), 1, [&](std::size_t, std::size_t, int worker) {
    body(worker);
    ++arrived;
    while (arrived < expected && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  });
  return std::chrono::steady_clock::now() < give_up;
}

// Counts what a context takes from its resource.
class CountingResource : public std::pmr::memory_resource {
 public:
  std::size_t bytes = 0, calls = 0, live = 0;

 private:
  void* do_allocate(std::size_t size, std::size_t alignment) override {
    bytes += size;
    live += size;
    ++calls;
    return std::pmr::new_delete_resource()->allocate(size, alignment);
  }
  void do_deallocate(void* p, std::size_t size, std::size_t alignment) override {
    live -= size;
    std::pmr::new_delete_resource()->deallocate(p, size, alignment);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace

TEST_CASE("exec: parallel_for visits every index once, in chunks cut from count and chunk alone", "[exec]") {
  for (const int num_threads : {1, 2, 3, 8}) {
    Exec exec({.num_threads = num_threads});
    CHECK(exec.num_threads() == num_threads);
    for (const std::size_t count : {0, 1, 2, 7, 64, 1000}) {
      for (const std::size_t chunk : {1, 3, 64, 5000}) {
        INFO(num_threads << " threads, " << count << " by " << chunk);
        CHECK(visits(exec, count, chunk) == std::vector<int>(count, 1));
        std::atomic<int> wrong{0};
        exec.parallel_for(count, chunk, [&](std::size_t begin, std::size_t end, int worker) {
          if (begin % chunk != 0 || end != std::min(begin + chunk, count)) ++wrong;
          if (worker < 0 || worker >= num_threads) ++wrong;
        });
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("exec: a worker number belongs to one thread at a time", "[exec]") {
  Exec exec({.num_threads = 8});
  std::vector<std::atomic<int>> inside(8);
  std::atomic<int> collisions{0};
  for (int round = 0; round < 200; ++round) {
    exec.parallel_for(64, 1, [&](std::size_t, std::size_t, int worker) {
      if (inside[static_cast<std::size_t>(worker)].fetch_add(1) != 0) ++collisions;
      std::this_thread::yield();
      inside[static_cast<std::size_t>(worker)].fetch_sub(1);
    });
  }
  CHECK(collisions == 0);
}

TEST_CASE("exec: more than one thread takes part, and one thread is the caller's own", "[exec]") {
  Exec two({.num_threads = 2});
  CHECK(on_all_threads(two, [](int) {}));

  const auto caller = std::this_thread::get_id();
  Exec one({.num_threads = 1});
  bool same = true;
  one.parallel_for(100, 1, [&](std::size_t, std::size_t, int) { same = same && std::this_thread::get_id() == caller; });
  CHECK(same);
}

#if defined(__x86_64__)
TEST_CASE("exec: every worker rounds as the caller does at that moment", "[exec]") {
  Exec exec({.num_threads = 2});
  const int usual = std::fegetround();
  const auto third = [] {
    volatile float one = 1, three = 3;  // divided now, not by the compiler
    return static_cast<float>(one / three);
  };
  float of_mode[2];
  for (const int i : {0, 1, 0}) {
    float seen[2] = {};
    std::fesetround(i == 0 ? FE_DOWNWARD : FE_UPWARD);
    const bool both = on_all_threads(exec, [&](int worker) { seen[worker] = third(); });
    std::fesetround(usual);
    REQUIRE(both);
    CHECK(seen[1] == seen[0]);
    of_mode[i] = seen[0];
  }
  CHECK(of_mode[0] < of_mode[1]);
}
#endif

TEST_CASE("exec: the host's signals are not delivered to worker threads, and its own mask stays", "[exec]") {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  Exec exec({.num_threads = 2});
  int blocked[2] = {-1, -1};
  REQUIRE(on_all_threads(exec, [&](int worker) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    blocked[worker] = sigismember(&mask, SIGINT);
  }));
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  CHECK(blocked[1] == 1);
  CHECK(blocked[0] == sigismember(&before, SIGINT));
  CHECK(sigismember(&after, SIGINT) == sigismember(&before, SIGINT));
}

TEST_CASE("exec: the exception of the lowest chunk is rethrown and the context stays usable", "[exec]") {
  for (const int num_threads : {1, 2, 8}) {
    Exec exec({.num_threads = num_threads});
    for (int round = 0; round < 20; ++round) {
      std::string message;
      try {
        exec.parallel_for(100, 1, [](std::size_t begin, std::size_t, int) {
          if (begin % 10 == 7) throw std::runtime_error("chunk " + std::to_string(begin));
        });
      } catch (const std::runtime_error& error) {
        message = error.what();
      }
      CHECK(message == "chunk 7");
      CHECK(visits(exec, 50, 1) == std::vector<int>(50, 1));
    }
  }
}

TEST_CASE("exec: a nested call runs on the worker that made it", "[exec]") {
  // With threads of its own the other context would call the first from two threads, which is not allowed.
  Exec exec({.num_threads = 4}), other({.num_threads = 1});
  std::atomic<int> strayed{0}, inner{0};
  exec.parallel_for(16, 1, [&](std::size_t, std::size_t, int worker) {
    const auto thread = std::this_thread::get_id();
    exec.parallel_for(10, 3, [&](std::size_t begin, std::size_t end, int nested_worker) {
      inner += static_cast<int>(end - begin);
      if (nested_worker != worker || std::this_thread::get_id() != thread) ++strayed;
    });
  });
  CHECK(inner == 160);
  // Also through another context.
  exec.parallel_for(1, 1, [&](std::size_t, std::size_t, int outer_worker) {
    other.parallel_for(4, 1, [&](std::size_t, std::size_t, int) {
      exec.parallel_for(2, 1, [&](std::size_t, std::size_t, int worker) { strayed += worker != outer_worker; });
    });
  });
  CHECK(strayed == 0);
}

TEST_CASE("exec: many short loops, hot and after the workers went to sleep", "[exec]") {
  Exec exec({.num_threads = 2});
  std::atomic<std::uint64_t> sum{0};
  for (int round = 0; round < 20000; ++round) {
    exec.parallel_for(4, 1, [&](std::size_t begin, std::size_t, int) { sum.fetch_add(begin); });
    if (round % 1000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(sum == 20000u * 6);
}

#if !defined(__SANITIZE_THREAD__)  // ThreadSanitizer cannot start threads after a fork
TEST_CASE("exec: a forked child rebuilds its threads", "[exec]") {
  Exec exec({.num_threads = 3});
  CHECK(visits(exec, 100, 1) == std::vector<int>(100, 1));
  // A thread that still starts may hold a lock of AddressSanitizer's, which the child of a fork never gets.
  CHECK(on_all_threads(exec, [](int) {}));
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // Correct sums alone would prove nothing: the calling thread can do all the work.
    const bool right = on_all_threads(exec, [](int) {}) && visits(exec, 1000, 1) == std::vector<int>(1000, 1);
    exec.~Exec();  // must not join threads that stayed in the parent
    _exit(right ? 0 : 1);
  }
  int status = 0;
  pid_t ended = 0;
  for (int i = 0; i < 9000 && ended == 0; ++i) {
    ended = waitpid(child, &status, WNOHANG);
    if (ended == 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (ended == 0) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
  }
  CHECK(ended == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(visits(exec, 100, 1) == std::vector<int>(100, 1));
}
#endif

TEST_CASE("exec: takes from its resource exactly what memory_bytes announced, once", "[exec]") {
  for (const int num_threads : {1, 2, 5}) {
    CountingResource resource;
    {
      const ExecOptions options{.num_threads = num_threads, .resource = &resource};
      Exec exec(options);
      CHECK(resource.bytes == Exec::memory_bytes(options));
      exec.parallel_for(100, 1, [](std::size_t, std::size_t, int) {});
      CHECK(resource.calls == 1);
    }
    CHECK(resource.live == 0);
  }
}

TEST_CASE("exec: parallel_for allocates nothing once the threads run", "[exec]") {
  Exec exec({.num_threads = 4});
  std::atomic<int> sum{0};
  const auto body = [&](std::size_t begin, std::size_t, int) { sum += static_cast<int>(begin); };
  exec.parallel_for(100, 1, body);
  const std::uint64_t before = minimoe_test::num_allocations();
  for (int i = 0; i < 100; ++i) exec.parallel_for(100, 1, body);
  CHECK(minimoe_test::num_allocations() == before);
  CHECK(sum == 101 * 4950);
}

TEST_CASE("exec: options outside what is allowed are refused with what is allowed", "[exec]") {
  CHECK_THROWS_WITH(Exec({.num_threads = 257}), ContainsSubstring("num_threads is 257") && ContainsSubstring("1..256"));
  CHECK_THROWS_WITH(Exec({.num_threads = -1}), ContainsSubstring("num_threads is -1"));
  CHECK_THROWS_WITH(Exec({.instruction_set = static_cast<InstructionSet>(99)}),
                    ContainsSubstring("which has") && ContainsSubstring("scalar"));
  CHECK_THROWS_WITH(instruction_set_from_name("mmx"),
                    ContainsSubstring("\"mmx\"") && ContainsSubstring("auto") && ContainsSubstring("scalar"));
  Exec exec({.num_threads = 1});
  CHECK_THROWS_WITH(exec.parallel_for(3, 0, [](std::size_t, std::size_t, int) {}), ContainsSubstring("chunk is 0"));
#if !defined(MINIMOE_WITH_BLAS)
  try {
    const Exec blas({.matmul_backend = MatmulBackend::kBlas});
    FAIL("a backend that was not compiled in was accepted");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kUnsupported);
  }
#endif
}

TEST_CASE("exec: auto is the best available instruction set, and each available one can be forced by name", "[exec]") {
  const std::vector<InstructionSet> sets = available_instruction_sets();
  CHECK(sets.back() == InstructionSet::kScalar);
  CHECK(Exec({.num_threads = 1}).instruction_set() == sets.front());
  for (const InstructionSet set : sets) {
    CHECK(instruction_set_from_name(instruction_set_name(set)) == set);
    CHECK(Exec({.num_threads = 1, .instruction_set = set}).instruction_set() == set);
  }
  CHECK(instruction_set_from_name("auto") == InstructionSet::kAuto);
}
