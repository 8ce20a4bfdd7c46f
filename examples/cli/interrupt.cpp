// SPDX-License-Identifier: Apache-2.0
#include "interrupt.hpp"

#include <signal.h>

namespace cli {

namespace {

core::CancelToken token;

extern "C" void on_signal(int) { token.fire(); }

}  // namespace

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  // The default action is back after the first signal, so the second one kills. Interrupted writes go on.
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

const core::CancelToken& interrupt_token() { return token; }

}  // namespace cli
