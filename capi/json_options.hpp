// SPDX-License-Identifier: Apache-2.0
// Small option objects as JSON text: {"seed": 1, "top_k": 40}.
#pragma once

#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

#include "core/strict_json.hpp"
#include "error.hpp"

namespace minimoe::capi {

/// Reads the keys that it is asked for, and refuses the rest in finish(). An empty text is {}.
class JsonOptions {
 public:
  /// @throws Error for malformed JSON, or what is no object
  JsonOptions(const char* function, const char* parameter, const std::string& text);

  /// Key `key`, an integer of low..high, when it is there.
  template <class Integer>
  void integer(const char* key, Integer& value, std::int64_t low, std::uint64_t high) {
    const JsonValue* found = find(key);
    if (!found) return;
    const bool natural = found->kind == JsonValue::Kind::kUnsigned;
    const bool negative = found->kind == JsonValue::Kind::kNegative;
    const bool fits = natural
                          ? found->integer <= high && (low <= 0 || found->integer >= static_cast<std::uint64_t>(low))
                          : negative && found->real >= static_cast<double>(low);
    if (!fits) return refuse(key, *found, concat("an integer ", low, "..", high));
    value = natural ? static_cast<Integer>(found->integer) : static_cast<Integer>(found->real);
  }
  /// Key `key`, a number of low..high, when it is there.
  void real(const char* key, double& value, double low, double high);
  /// Key `key`, true or false, when it is there.
  void boolean(const char* key, bool& value);
  /// Key `key`, a text, when it is there.
  void text(const char* key, std::string& value);
  /// Key `key`, a list of at most `most` integers of 0..high, when it is there.
  void integers(const char* key, std::vector<std::size_t>& value, std::uint64_t high, std::size_t most);
  /// Key `key`, a list of at most `most` texts, when it is there.
  void texts(const char* key, std::vector<std::string>& value, std::size_t most);

  bool has(const char* key) { return find(key) != nullptr; }
  /// @throws Error that lists every bad value, unknown and duplicate key.
  void finish() const;

 private:
  const JsonValue* find(const char* key);
  void refuse(const char* key, const JsonValue& value, const std::string& allowed);

  std::string where_;
  JsonText json_;
  std::vector<std::string> known_, problems_;
};

}  // namespace minimoe::capi
