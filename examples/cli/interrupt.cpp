// SPDX-License-Identifier: Apache-2.0
#include "interrupt.hpp"

#include <signal.h>

#include <atomic>

namespace cli {

namespace {

// A handler must not be the one to make the token.
std::atomic<const capi::CancelToken*> fired_by_signal{nullptr};
static_assert(std::atomic<const capi::CancelToken*>::is_always_lock_free);

extern "C" void on_signal(int) { fired_by_signal.load()->fire(); }

}  // namespace

void catch_interrupts() {
  fired_by_signal = &interrupt_token();
  struct sigaction action = {};
  action.sa_handler = on_signal;
  // The default action is back after the first signal, so the second one kills. Interrupted writes go on.
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

const capi::CancelToken& interrupt_token() {
  static const capi::CancelToken* const token = new capi::CancelToken;  // a signal may come while the program exits
  return *token;
}

}  // namespace cli
