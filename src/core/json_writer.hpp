// SPDX-License-Identifier: Apache-2.0
// JSON as text, written from front to back. A document tree would be shorter to use, but the one at hand allocates in
// its destructor, which must not fail for want of memory.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minimoe {

enum class BadUtf8 {
  kRefuse,   ///< Error(kInvalidArgument)
  kReplace,  ///< U+FFFD for what is not UTF-8
};

/// `text` as a JSON string, in its quotes.
std::string json_of(std::string_view text, BadUtf8 bad = BadUtf8::kRefuse);
inline std::string json_of(const char* text) { return json_of(std::string_view(text)); }
inline std::string json_of(const std::string& text) { return json_of(std::string_view(text)); }
/// The shortest decimal that reads back to `value`. @throws Error(kInvalidArgument) when it is not finite.
std::string json_of(double value);
template <std::integral Integer>
std::string json_of(Integer value) {
  if constexpr (std::same_as<Integer, bool>) return value ? "true" : "false";
  return std::to_string(value);
}
template <class Value>
std::string json_of(const std::vector<Value>& values) {
  std::string list = "[";
  for (const Value& value : values) {
    if (list.size() > 1) list += ',';
    list += json_of(value);
  }
  return list += ']';
}

/// JsonWriter out; out.begin('{').member("seed", 7).end('}'); out.text() is {"seed":7}.
class JsonWriter {
 public:
  /// Opens an object '{' or array '['; inside an object, as member `key`.
  JsonWriter& begin(char bracket) { return put(std::string(1, bracket)); }
  JsonWriter& begin(std::string_view key, char bracket) { return name(key).put(std::string(1, bracket)); }
  JsonWriter& end(char bracket) {
    text_ += bracket;
    return *this;
  }
  template <class Value>
  JsonWriter& member(std::string_view key, const Value& value) {
    return name(key).put(json_of(value));
  }
  template <class Value>
  JsonWriter& element(const Value& value) {
    return put(json_of(value));
  }
  /// A value that is JSON already.
  JsonWriter& raw_member(std::string_view key, const std::string& json) { return name(key).put(json); }

  const std::string& text() const { return text_; }

 private:
  JsonWriter& name(std::string_view key) {
    put(json_of(key));
    text_ += ':';
    return *this;
  }
  JsonWriter& put(const std::string& json) {
    const bool first = text_.empty() || text_.back() == '{' || text_.back() == '[' || text_.back() == ':';
    if (!first) text_ += ',';
    text_ += json;
    return *this;
  }

  std::string text_;
};

}  // namespace minimoe
