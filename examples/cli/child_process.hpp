// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace cli {

struct ChildResult {
  bool found = false;      ///< false: no such program on the PATH
  bool timed_out = false;  ///< it was killed
  int exit_code = -1;      ///< -1: a signal ended it
  std::string output;      ///< the beginning of what it wrote to stdout and stderr
};

/// Runs `arguments` (the program first, looked up on the PATH, no shell) in `directory` with an empty stdin, and waits.
/// @throws RunFailed when the operating system refuses to start anything.
ChildResult run_child(const std::vector<std::string>& arguments, const std::filesystem::path& directory,
                      double timeout_seconds);

}  // namespace cli
