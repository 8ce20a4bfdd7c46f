// SPDX-License-Identifier: Apache-2.0
// A value in a JSON document together with its path, so that whatever is wrong with it can be said.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/strict_json.hpp"

namespace minimoe {

/// Borrows the document. Every getter throws Error(kInvalidArgument): `where: path is null, expected a finite number`.
class JsonCursor {
 public:
  JsonCursor(std::string where, const JsonValue& root) : where_(std::move(where)), value_(&root) {}

  bool is_null() const { return value_ == nullptr || value_->kind == JsonValue::Kind::kNull; }
  bool is_array() const { return value_ && value_->kind == JsonValue::Kind::kArray; }
  bool is_object() const { return value_ && value_->kind == JsonValue::Kind::kObject; }
  /// The member; null when this is null or has none. @throws Error when this is neither null nor an object.
  JsonCursor find(std::string_view key) const;
  /// The member. @throws Error when there is none.
  JsonCursor at(std::string_view key) const;
  const std::vector<std::string>& keys() const;
  /// @throws Error for a member that is none of `known`, with the nearest of them.
  void refuse_unknown_keys(const std::vector<std::string>& known) const;
  std::vector<JsonCursor> items() const;

  double number() const;
  std::uint64_t count() const;
  bool boolean() const;
  std::string text() const;
  std::vector<double> numbers() const;
  std::vector<std::uint64_t> counts() const;
  /// The value as JSON again, numbers as the shortest that read back to the same.
  std::string json() const;

  [[noreturn]] void refuse(const std::string& expected) const;

 private:
  JsonCursor(std::string where, std::string path, const JsonValue* value)
      : where_(std::move(where)), path_(std::move(path)), value_(value) {}

  std::string where_, path_;
  const JsonValue* value_;
};

}  // namespace minimoe
