// SPDX-License-Identifier: Apache-2.0
// What each configuration field may hold, in words, and the visitor that checks a configuration against it.
#pragma once

#include <algorithm>
#include <cmath>

#include "core/strict_json.hpp"
#include "train/config_fields.hpp"

namespace minimoe::config {

std::string integer_range(std::uint64_t low, std::uint64_t high);  ///< `an integer 1..64`
std::string real_range(const RealRange& range);                    ///< `a number, 0 <= x < 1`
std::string word_range(const std::vector<std::string>& words);     ///< `en | es`
/// The shortest text that reads back to the same value.
std::string real_text(double value);

inline bool in_range(double value, const RealRange& r) {  // false for NaN
  return std::isfinite(value) && (r.above_low ? value > r.low : value >= r.low) &&
         (r.below_high ? value < r.high : value <= r.high);
}

template <class E, std::size_t N>
std::vector<std::string> names_of(const Name<E> (&names)[N]) {
  std::vector<std::string> words;
  for (const Name<E>& n : names) words.push_back(n.name);
  return words;
}

/// Collects `key: value, allowed ...` for every field out of its range.
class FieldChecker {
 public:
  explicit FieldChecker(std::string prefix = {}) : path_(std::move(prefix)) {}
  std::vector<std::string> problems;

  template <class Int>
  void integer(const char* key, const Int& member, std::uint64_t low, std::uint64_t high, const char*) {
    if (std::cmp_less(member, low) || std::cmp_greater(member, high)) report(key, member, integer_range(low, high));
  }
  void real(const char* key, const double& member, const RealRange& range, const char*) {
    if (!in_range(member, range)) report(key, real_text(member), real_range(range));
  }
  void flag(const char*, const bool&, const char*) {}
  template <class E, std::size_t N>
  void choice(const char* key, const E& member, const Name<E> (&names)[N], const char*) {
    for (const Name<E>& n : names) {
      if (n.value == member) return;
    }
    report(key, static_cast<long long>(member), word_range(names_of(names)));
  }
  void text(const char* key, const std::string& member, const char*) {
    if (member.empty() || member.find('\0') != std::string::npos) report(key, in_quotes(member), "a text without NUL");
  }
  void word(const char* key, const std::string& member, const std::vector<std::string>& words, const char*) {
    if (std::find(words.begin(), words.end(), member) == words.end()) report(key, in_quotes(member), word_range(words));
  }
  void integers(const char* key, const std::vector<std::size_t>& members, std::uint64_t low, std::uint64_t high,
                std::size_t max_count, const char*) {
    check_count(key, members.size(), max_count);
    for (const std::size_t m : members) {
      if (m < low || m > high) return report(key, m, integer_range(low, high));
    }
  }
  void reals(const char* key, const std::vector<double>& members, const RealRange& range, std::size_t max_count,
             const char*) {
    check_count(key, members.size(), max_count);
    for (const double m : members) {
      if (!in_range(m, range)) return report(key, real_text(m), real_range(range));
    }
  }
  void words(const char* key, const std::vector<std::string>& members, const std::vector<std::string>& allowed,
             const char*) {
    for (const std::string& m : members) {
      if (std::find(allowed.begin(), allowed.end(), m) == allowed.end()) report(key, in_quotes(m), word_range(allowed));
    }
  }
  void enter(const char* key) { path_ = join_path(path_, key); }
  void leave() { path_.erase(path_.find('.') == std::string::npos ? 0 : path_.rfind('.')); }

 private:
  template <class Value>
  void report(const char* key, const Value& value, const std::string& allowed) {
    problems.push_back(concat(join_path(path_, key), ": ", value, ", allowed ", allowed));
  }
  void check_count(const char* key, std::size_t count, std::size_t max_count) {
    if (count > max_count) report(key, concat(count, " values"), concat("at most ", max_count));
  }

  std::string path_;
};

/// Appends those of `more` whose key (the text before ": ") has no problem yet.
void append_problems(std::vector<std::string>& problems, const std::vector<std::string>& more);

}  // namespace minimoe::config
