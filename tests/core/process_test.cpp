// SPDX-License-Identifier: Apache-2.0
#include "core/process.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <set>
#include <thread>
#include <vector>

#include "support/catch.hpp"

using minimoe::process_generation;

namespace {

std::uint64_t read_number(int pipe_end) {
  std::uint64_t number = 0;
  return read(pipe_end, &number, sizeof(number)) == sizeof(number) ? number : 0;
}

/// What `body` gives in the child that `make_child` makes; 0 when it does not come.
template <class MakeChild, class Body>
std::uint64_t in_child(MakeChild&& make_child, Body&& body) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = static_cast<pid_t>(make_child());
  if (child == 0) {
    alarm(60);
    const std::uint64_t number = body();
    _exit(write(ends[1], &number, sizeof(number)) == sizeof(number) ? 0 : 1);
  }
  close(ends[1]);
  const std::uint64_t number = read_number(ends[0]);
  close(ends[0]);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  return number;
}

long raw_clone() { return syscall(SYS_clone, static_cast<long>(SIGCHLD), 0L, 0L, 0L, 0L); }

}  // namespace

TEST_CASE("process: a number stays for as long as the process, and no descendant by fork has it", "[core][fork]") {
  const std::uint64_t ours = process_generation();
  CHECK(ours != 0);
  for (int i = 0; i < 10; ++i) {
    std::uint64_t grandchilds = 0;
    const std::uint64_t childs = in_child(fork, [&] {
      const std::uint64_t number = process_generation();
      grandchilds = in_child(fork, process_generation);
      const bool differ = number != ours && grandchilds != ours && grandchilds != number && grandchilds != 0;
      return differ && number == process_generation() ? number : 0;
    });
    CHECK(childs != 0);
    CHECK(childs != ours);
  }
  CHECK(process_generation() == ours);
}

// Neither calls a handler of pthread_atfork.
TEST_CASE("process: a child of a raw clone and of _Fork is told from its parent", "[core][fork]") {
  const std::uint64_t ours = process_generation();
  const std::uint64_t cloned = in_child(raw_clone, process_generation);
  CHECK(cloned != 0);
  CHECK(cloned != ours);
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
  const std::uint64_t forked = in_child(_Fork, process_generation);
  CHECK(forked != 0);
  CHECK(forked != ours);
#endif
}

TEST_CASE("process: a child that shares its parent's memory has its number", "[core][fork]") {
  const std::uint64_t ours = process_generation();
  if (ours >> 63 != 0) {
    std::cout << "[skipped] no MADV_WIPEONFORK here: processes go by their ids\n";
    return;
  }
  std::uint64_t theirs = 0;
  std::vector<std::byte> stack(std::size_t{1} << 18);
  const auto body = [](void* out) {
    *static_cast<std::uint64_t*>(out) = process_generation();
    return 0;
  };
  const pid_t child = clone(body, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | SIGCHLD, &theirs);
  REQUIRE(child > 0);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  CHECK(theirs == ours);
}

TEST_CASE("process: threads that ask at once, first in their process, get one number", "[core][fork]") {
  const std::uint64_t ours = process_generation();
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t childs = in_child(fork, [] {
      std::atomic<bool> go{false};
      std::vector<std::uint64_t> numbers(4);
      std::vector<std::thread> threads;
      for (std::uint64_t& number : numbers) {
        threads.emplace_back([&] {
          while (!go) continue;
          number = process_generation();
        });
      }
      go = true;
      for (std::thread& thread : threads) thread.join();
      return std::set<std::uint64_t>(numbers.begin(), numbers.end()).size() == 1 ? numbers[0] : 0;
    });
    CHECK(childs != 0);
    CHECK(childs != ours);
  }
}
