// SPDX-License-Identifier: Apache-2.0
// JSON from outside, read strictly: bounded size, depth and count, and no duplicate key goes unseen.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "minimoe/core/error.hpp"

namespace minimoe {

struct JsonValue {
  enum class Kind : std::uint8_t { kNull, kBool, kUnsigned, kNegative, kReal, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  std::uint64_t integer = 0;      ///< kUnsigned
  double real = 0;                ///< of every number
  std::string text;               ///< a string's content, or a number for messages
  std::vector<std::string> keys;  ///< of an object, parallel to items
  std::vector<JsonValue> items;   ///< of an array or object

  bool is_number() const { return kind == Kind::kUnsigned || kind == Kind::kNegative || kind == Kind::kReal; }
  /// The member `key` of an object; null when it has none.
  const JsonValue* find(std::string_view key) const;
  /// Short, for messages: `"64" (a string)`, `-5`, `an object`.
  std::string description() const;
};

struct JsonLimits {
  std::size_t max_bytes = std::size_t{1} << 20;
  std::size_t max_depth = 32;
  std::size_t max_values = 65536;           ///< bounds the memory that a hostile text can take
  std::size_t max_items = ~std::size_t{0};  ///< of one array
};

struct JsonText {
  JsonValue root;
  std::vector<std::string> duplicate_keys;  ///< paths; `root` holds the first of each
};

/// Reads `text`. @throws Error(code), its message beginning with `source`, for malformed JSON (with line and column),
/// and for text beyond the limits.
JsonText read_json(std::string_view text, const std::string& source, ErrorCode code, const JsonLimits& limits = {});

/// `text` in double quotes, escaped, and cut to about 80 bytes: safe to put into a message.
std::string in_quotes(std::string_view text);
/// `parent.key`, or `key` when parent is empty; a key that is no plain word is quoted.
std::string join_path(const std::string& parent, std::string_view key);

}  // namespace minimoe
