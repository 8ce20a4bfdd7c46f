// SPDX-License-Identifier: Apache-2.0
#include "analysis/json_cursor.hpp"

#include <algorithm>
#include <cmath>

#include "core/json_writer.hpp"

namespace minimoe {

using Kind = JsonValue::Kind;

namespace {

// No deeper than the reader's limit.
std::string json_text(const JsonValue& value) {
  switch (value.kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return json_of(value.boolean);
    case Kind::kUnsigned:
    case Kind::kNegative:
      return value.text;
    case Kind::kReal:
      return json_of(value.real);
    case Kind::kString:
      return json_of(value.text);
    case Kind::kArray:
    case Kind::kObject:
      break;
  }
  const bool is_object = value.kind == Kind::kObject;
  std::string text(1, is_object ? '{' : '[');
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    if (i > 0) text += ',';
    if (is_object) text += json_of(value.keys[i]) + ':';
    text += json_text(value.items[i]);
  }
  return text += is_object ? '}' : ']';
}

}  // namespace

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

void JsonCursor::refuse_unknown_keys(const std::vector<std::string>& known) const {
  for (const std::string& key : keys()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = nearest_word(key, known);
    throw Error(ErrorCode::kInvalidArgument, concat(where_, ": ", join_path(path_, key), ": unknown key",
                                                    near.empty() ? "" : concat("; did you mean ", near, "?")));
  }
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

std::string JsonCursor::json() const { return value_ ? json_text(*value_) : "null"; }

}  // namespace minimoe
