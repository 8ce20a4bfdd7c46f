// SPDX-License-Identifier: Apache-2.0
#include "core/strict_json.hpp"

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace minimoe {
namespace {

using Kind = JsonValue::Kind;

std::string line_and_column(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return concat("line ", line, ", column ", before.size() - line_start + 1);
}

/// The parser's own words, without its prefixes.
std::string reason(std::string what) {
  if (const auto end = what.find("] "); what.rfind("[json", 0) == 0 && end != std::string::npos) what.erase(0, end + 2);
  if (const auto end = what.find(": "); what.rfind("parse error", 0) == 0 && end != std::string::npos) {
    what.erase(0, end + 2);
  }
  if (what.size() > 200) what = what.substr(0, 200) + "...";
  // Bytes of the text may be in it, and need not be UTF-8.
  const std::string json = nlohmann::json(what).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json::parse(json).get<std::string>();
}

class TreeBuilder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  TreeBuilder(std::string_view source_text, const JsonLimits& limits, JsonText& result)
      : source_text_(source_text), limits_(limits), result_(result) {}

  const std::string& error() const { return error_; }

  bool null() override { return add(Kind::kNull) != nullptr; }
  bool boolean(bool value) override {
    JsonValue* v = add(Kind::kBool);
    if (v) v->boolean = value;
    return v != nullptr;
  }
  bool number_integer(number_integer_t value) override {
    JsonValue* v = add(value < 0 ? Kind::kNegative : Kind::kUnsigned);
    if (!v) return false;
    v->integer = value < 0 ? 0 : static_cast<std::uint64_t>(value);
    v->real = static_cast<double>(value);
    v->text = std::to_string(value);
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    JsonValue* v = add(Kind::kUnsigned);
    if (!v) return false;
    v->integer = value;
    v->real = static_cast<double>(value);
    v->text = std::to_string(value);
    return true;
  }
  bool number_float(number_float_t value, const string_t& text) override {
    JsonValue* v = add(Kind::kReal);
    if (!v) return false;
    v->real = value;
    v->text = text.size() > 40 ? text.substr(0, 40) + "..." : text;
    return true;
  }
  bool string(string_t& value) override {
    JsonValue* v = add(Kind::kString);
    if (v) v->text = std::move(value);
    return v != nullptr;
  }
  bool binary(binary_t&) override { return false; }  // not in JSON text
  bool start_object(std::size_t) override { return open(Kind::kObject); }
  bool start_array(std::size_t) override { return open(Kind::kArray); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    Frame& frame = open_.back();
    frame.is_duplicate = !frame.seen.insert(value).second;
    if (frame.is_duplicate) result_.duplicate_keys.push_back(join_path(frame.path, value));
    frame.key = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& exception) override {
    error_ = line_and_column(source_text_, position == 0 ? 0 : position - 1) + ": " + reason(exception.what());
    return false;
  }

 private:
  struct Frame {
    JsonValue* value = nullptr;
    std::string path, key;
    std::unordered_set<std::string> seen;
    bool is_duplicate = false;
    JsonValue ignored = {};  // takes the value of a duplicate key
  };

  JsonValue* add(Kind kind) {
    if (++num_values_ > limits_.max_values) {
      error_ = concat("more than ", limits_.max_values, " values");
      return nullptr;
    }
    JsonValue* value = &result_.root;
    if (!open_.empty()) {
      Frame& frame = open_.back();
      if (frame.is_duplicate) {
        value = &(frame.ignored = {});
      } else {
        if (frame.value->kind == Kind::kObject) {
          frame.value->keys.push_back(frame.key);
        } else if (frame.value->items.size() >= limits_.max_items) {
          error_ = concat("an array of more than ", limits_.max_items, " values");
          return nullptr;
        }
        value = &frame.value->items.emplace_back();
      }
    }
    value->kind = kind;
    return value;
  }
  bool open(Kind kind) {
    if (open_.size() >= limits_.max_depth) {
      error_ = concat("nested deeper than ", limits_.max_depth, " levels");
      return false;
    }
    JsonValue* value = add(kind);
    if (!value) return false;
    Frame frame;
    frame.value = value;
    if (!open_.empty()) {
      const Frame& parent = open_.back();
      frame.path = parent.value->kind == Kind::kObject ? join_path(parent.path, parent.key)
                                                       : concat(parent.path, '[', parent.value->items.size() - 1, ']');
    }
    open_.push_back(std::move(frame));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view source_text_;
  const JsonLimits& limits_;
  JsonText& result_;
  std::deque<Frame> open_;  // frames stay in place: a child may point into ignored
  std::size_t num_values_ = 0;
  std::string error_;
};

}  // namespace

const JsonValue* JsonValue::find(std::string_view key) const {
  const auto at = std::find(keys.begin(), keys.end(), key);
  return at == keys.end() ? nullptr : &items[static_cast<std::size_t>(at - keys.begin())];
}

std::string JsonValue::description() const {
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return boolean ? "true" : "false";
    case Kind::kUnsigned:
    case Kind::kNegative:
    case Kind::kReal:
      return text;
    case Kind::kString:
      return in_quotes(text) + " (a string)";
    case Kind::kArray:
      return "a list";
    case Kind::kObject:
      return "an object";
  }
  return {};
}

std::string in_quotes(std::string_view text) {
  std::string shown(text.substr(0, 80));
  if (text.size() > 80) shown += "...";
  return nlohmann::json(shown).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string join_path(const std::string& parent, std::string_view key) {
  const bool plain = !key.empty() && key.size() <= 80 && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  const std::string shown = plain ? std::string(key) : in_quotes(key);
  return parent.empty() ? shown : parent + '.' + shown;
}

JsonText read_json(std::string_view text, const std::string& source, ErrorCode code, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    throw Error(code, concat(source, ": ", text.size(), " bytes of JSON, at most ", limits.max_bytes, " are allowed"));
  }
  // The parser takes a NUL byte for the end of the text.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    throw Error(code, concat(source, ": ", line_and_column(text, nul), ": a NUL byte"));
  }
  JsonText result;
  TreeBuilder builder(text, limits, result);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    throw Error(code, concat(source, ": ", builder.error()));
  }
  return result;
}

}  // namespace minimoe
