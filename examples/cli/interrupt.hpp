// SPDX-License-Identifier: Apache-2.0
// Ctrl-C once asks, twice kills.
#pragma once

#include "library.hpp"

namespace cli {

/// From here on the first SIGINT or SIGTERM fires the token; a second one ends the process.
void catch_interrupts();
const capi::CancelToken& interrupt_token();

}  // namespace cli
