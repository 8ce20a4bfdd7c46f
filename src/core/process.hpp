// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace minimoe {

/// A number, never 0, that this process does not share with the copies that fork() makes of it: what was made under
/// another number has come by fork(), without its threads. Costs a load; a system call when a process first asks.
///
/// It goes by memory, not by process id: a child that shares its parent's (vfork, clone with CLONE_VM) has the parent's
/// number, since the parent's threads do serve it; a raw clone() without it has its own, like that of fork(). Where the
/// kernel has no MADV_WIPEONFORK (Linux before 4.14) it is the process id, asked for each time.
std::uint64_t process_generation();

}  // namespace minimoe
