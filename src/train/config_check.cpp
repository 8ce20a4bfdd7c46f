// SPDX-License-Identifier: Apache-2.0
#include "train/config_check.hpp"

#include <charconv>
#include <set>

namespace minimoe::config {

std::string real_text(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

std::string integer_range(std::uint64_t low, std::uint64_t high) { return concat("an integer ", low, "..", high); }

std::string real_range(const RealRange& range) {
  return concat("a number, ", real_text(range.low), range.above_low ? " < x " : " <= x ",
                range.below_high ? "< " : "<= ", real_text(range.high));
}

std::string word_range(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " | ") + word;
  return text;
}

void append_problems(std::vector<std::string>& problems, const std::vector<std::string>& more) {
  std::set<std::string> keys;
  for (const std::string& problem : problems) keys.insert(problem.substr(0, problem.find(':')));
  for (const std::string& problem : more) {
    if (!keys.count(problem.substr(0, problem.find(':')))) problems.push_back(problem);
  }
}

}  // namespace minimoe::config
