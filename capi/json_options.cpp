// SPDX-License-Identifier: Apache-2.0
#include "json_options.hpp"

#include <algorithm>

namespace minimoe::capi {

JsonOptions::JsonOptions(const char* function, const char* parameter, const std::string& text)
    : where_(concat(function, ": ", parameter)),
      json_(read_json(text.empty() ? "{}" : text, where_, ErrorCode::kInvalidArgument)) {
  require(json_.root.kind == JsonValue::Kind::kObject, where_, " is ", json_.root.description(),
          ", expected an object");
}

const JsonValue* JsonOptions::find(const char* key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  return json_.root.find(key);
}

void JsonOptions::refuse(const char* key, const JsonValue& value, const std::string& allowed) {
  problems_.push_back(concat(key, ": ", value.description(), ", expected ", allowed));
}

void JsonOptions::real(const char* key, double& value, double low, double high) {
  const JsonValue* found = find(key);
  if (!found) return;
  if (!found->is_number() || !(found->real >= low && found->real <= high)) {
    return refuse(key, *found, concat("a number ", low, "..", high));
  }
  value = found->real;
}

void JsonOptions::boolean(const char* key, bool& value) {
  const JsonValue* found = find(key);
  if (!found) return;
  if (found->kind != JsonValue::Kind::kBool) return refuse(key, *found, "true or false");
  value = found->boolean;
}

void JsonOptions::text(const char* key, std::string& value) {
  const JsonValue* found = find(key);
  if (!found) return;
  if (found->kind != JsonValue::Kind::kString) return refuse(key, *found, "a text");
  value = found->text;
}

void JsonOptions::integers(const char* key, std::vector<std::size_t>& value, std::uint64_t high, std::size_t most) {
  const JsonValue* found = find(key);
  if (!found) return;
  const bool all = found->kind == JsonValue::Kind::kArray && found->items.size() <= most &&
                   std::all_of(found->items.begin(), found->items.end(), [high](const JsonValue& item) {
                     return item.kind == JsonValue::Kind::kUnsigned && item.integer <= high;
                   });
  if (!all) return refuse(key, *found, concat("a list of at most ", most, " integers 0..", high));
  value.clear();
  for (const JsonValue& item : found->items) value.push_back(item.integer);
}

void JsonOptions::texts(const char* key, std::vector<std::string>& value, std::size_t most) {
  const JsonValue* found = find(key);
  if (!found) return;
  const bool all = found->kind == JsonValue::Kind::kArray && found->items.size() <= most &&
                   std::all_of(found->items.begin(), found->items.end(),
                               [](const JsonValue& item) { return item.kind == JsonValue::Kind::kString; });
  if (!all) return refuse(key, *found, concat("a list of at most ", most, " texts"));
  value.clear();
  for (const JsonValue& item : found->items) value.push_back(item.text);
}

void JsonOptions::finish() const {
  std::vector<std::string> problems = problems_;
  for (const std::string& key : json_.duplicate_keys) problems.push_back(concat(key, ": stands there twice"));
  for (const std::string& key : json_.root.keys) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const std::string near = nearest_word(key, known_);
    std::string hint = near.empty() ? ", expected" : concat("; did you mean ", near, "?");
    for (std::size_t i = 0; near.empty() && i < known_.size(); ++i) hint += concat(i == 0 ? " " : ", ", known_[i]);
    problems.push_back(concat(join_path("", key), ": unknown key", hint));
  }
  std::string message;
  for (const std::string& problem : problems) message += concat(message.empty() ? "" : "; ", problem);
  require(problems.empty(), where_, ": ", message);
}

}  // namespace minimoe::capi
