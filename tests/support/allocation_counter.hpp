// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace minimoe_test {

/// Calls of any form of global operator new in this program so far, on all threads.
std::uint64_t num_allocations();

/// Bytes of the largest single one of them since the last reset.
std::uint64_t largest_allocation();
void reset_largest_allocation();

}  // namespace minimoe_test
