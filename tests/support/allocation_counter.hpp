// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace minimoe_test {

/// Calls of any form of global operator new in this program so far, on all threads.
std::uint64_t num_allocations();

}  // namespace minimoe_test
