// SPDX-License-Identifier: Apache-2.0
// How the program ends.
#pragma once

#include <stdexcept>

namespace cli {

enum ExitCode : int {
  kOk = 0,
  kRunFailed = 1,    ///< a run that had begun could not go on
  kBadInput = 2,     ///< nothing was begun, nothing was written
  kInterrupted = 3,  ///< Ctrl-C; what was done is saved
};

inline constexpr const char* kExitCodeHelp =
    "Exit codes:\n"
    "  0  done\n"
    "  1  a run failed after it had begun (a loss or gradient that is not finite, memory, a full disk)\n"
    "  2  bad input: an option, a configuration value, a file; earlier outputs are as they were\n"
    "  3  interrupted by Ctrl-C; the state is saved. A second Ctrl-C kills\n";

/// Bad input: one line for the user, exit code 2.
struct BadInput : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A run that had begun cannot go on: one line for the user, exit code 1.
struct RunFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace cli
