// SPDX-License-Identifier: Apache-2.0
#include "core/process.hpp"

#include <atomic>
#include <cstddef>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace minimoe {
namespace {

std::uint64_t process_id() {
#if defined(__unix__) || defined(__APPLE__)
  return static_cast<std::uint64_t>(getpid()) | std::uint64_t{1} << 63;  // never a generation's number
#else
  return 1;
#endif
}

// A page of its own, which the kernel hands to a forked child as zeros. It is part of the library, hence gone with it:
// a handler of pthread_atfork would have to be taken back, and neither _Fork() nor a raw clone() would call it.
constexpr std::size_t kPageBytes = 4096;
struct alignas(kPageBytes) Page {
  std::atomic<std::uint64_t> generation{0};
};
constinit Page page;
static_assert(sizeof(Page) == kPageBytes && std::atomic<std::uint64_t>::is_always_lock_free);

// In memory that a child inherits; at least the page's number at any time, so that a child's next one is new.
constinit std::atomic<std::uint64_t> last_generation{0};
constinit std::atomic<bool> cannot_wipe{false};

bool wipe_page_on_fork() {
#if defined(MADV_WIPEONFORK)
  // A kernel with larger pages would wipe the page's neighbours. An emulator that takes any advice has taken none.
  if (sysconf(_SC_PAGESIZE) != static_cast<long>(kPageBytes)) return false;
  return madvise(&page, kPageBytes, -1) != 0 && madvise(&page, kPageBytes, MADV_WIPEONFORK) == 0;
#else
  return false;
#endif
}

std::uint64_t begin_generation() {
  if (cannot_wipe.load(std::memory_order_relaxed)) return process_id();
  if (!wipe_page_on_fork()) {
    cannot_wipe.store(true, std::memory_order_relaxed);
    return process_id();
  }
  std::uint64_t begun = 0;
  const std::uint64_t next = last_generation.fetch_add(1) + 1;
  return page.generation.compare_exchange_strong(begun, next) ? next : begun;
}

}  // namespace

std::uint64_t process_generation() {
  const std::uint64_t generation = page.generation.load(std::memory_order_relaxed);
  return generation != 0 ? generation : begin_generation();
}

}  // namespace minimoe
