// SPDX-License-Identifier: Apache-2.0
#include "analysis/json_cursor.hpp"

#include <cmath>

namespace minimoe {

using Kind = JsonValue::Kind;

void JsonCursor::refuse(const std::string& expected) const {
  const std::string name = path_.empty() ? "the document" : path_;
  throw Error(ErrorCode::kInvalidArgument,
              concat(where_, ": ", name, value_ ? concat(" is ", value_->description()) : " is missing", ", expected ",
                     expected));
}

JsonCursor JsonCursor::find(std::string_view key) const {
  const std::string path = join_path(path_, key);
  if (is_null()) return {where_, path, nullptr};
  if (!is_object()) refuse("an object");
  return {where_, path, value_->find(key)};
}

JsonCursor JsonCursor::at(std::string_view key) const {
  if (!is_object()) refuse("an object");
  JsonCursor member = find(key);
  if (!member.value_) member.refuse("a value");
  return member;
}

const std::vector<std::string>& JsonCursor::keys() const {
  if (!is_object()) refuse("an object");
  return value_->keys;
}

std::vector<JsonCursor> JsonCursor::items() const {
  if (!is_array()) refuse("a list");
  std::vector<JsonCursor> items;
  for (std::size_t i = 0; i < value_->items.size(); ++i) {
    items.push_back({where_, concat(path_, '[', i, ']'), &value_->items[i]});
  }
  return items;
}

double JsonCursor::number() const {
  if (!value_ || !value_->is_number() || !std::isfinite(value_->real)) refuse("a finite number");
  return value_->real;
}

std::uint64_t JsonCursor::count() const {
  if (!value_ || value_->kind != Kind::kUnsigned) refuse("a whole number of 0 or more");
  return value_->integer;
}

bool JsonCursor::boolean() const {
  if (!value_ || value_->kind != Kind::kBool) refuse("true or false");
  return value_->boolean;
}

std::string JsonCursor::text() const {
  if (!value_ || value_->kind != Kind::kString) refuse("a text");
  return value_->text;
}

std::vector<double> JsonCursor::numbers() const {
  if (!is_array()) refuse("a list of finite numbers");
  std::vector<double> numbers;
  for (const JsonCursor& item : items()) numbers.push_back(item.number());
  return numbers;
}

std::vector<std::uint64_t> JsonCursor::counts() const {
  if (!is_array()) refuse("a list of whole numbers");
  std::vector<std::uint64_t> counts;
  for (const JsonCursor& item : items()) counts.push_back(item.count());
  return counts;
}

}  // namespace minimoe
