// SPDX-License-Identifier: Apache-2.0
// Progress on stderr: a bar redrawn on a terminal, a plain line now and then elsewhere.
#pragma once

#include <cstdint>
#include <string>

namespace cli {

class Progress {
 public:
  /// @param done steps that were complete before this process began
  Progress(std::string label, std::int64_t done, std::int64_t total, bool quiet);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::int64_t step, double loss, std::int64_t tokens);
  /// Takes the bar off the terminal, so that another line can be printed.
  void clear();
  /// A last plain line.
  void finish();

 private:
  std::string line(bool bar) const;

  std::string label_;
  std::int64_t start_step_, step_, total_, tokens_ = 0;
  double started_, drawn_at_, loss_ = 0;
  bool quiet_, terminal_, visible_ = false;
};

}  // namespace cli
