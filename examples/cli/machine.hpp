// SPDX-License-Identifier: Apache-2.0
// What the operating system knows about this process and this machine.
#pragma once

#include <cstdint>

#include "json_text.hpp"

namespace cli {

/// Seconds of a clock that never goes back.
double wall_seconds();
/// Seconds that all threads of the process have computed.
double cpu_seconds();
std::uint64_t peak_rss_bytes();
std::uint64_t physical_memory_bytes();
/// @throws BadInput "`what` needs 3.0 GiB of memory, ..." when that is more than the machine has or the process may
/// use.
void require_memory(const std::string& what, double bytes);

/// What this program was called with, as a shell takes it: "minimoe compare --lab". Empty where that cannot be known.
std::string command_line();

/// {"model", "logical_cores"}; no host name.
Json cpu_info();

/// "12.3 MiB"
std::string bytes_text(double bytes);
/// "1,234,567"
std::string count_text(std::uint64_t count);
/// `value` with a fixed number of decimals.
std::string fixed(double value, int decimals);

}  // namespace cli
