// SPDX-License-Identifier: Apache-2.0
#include "data/file/jsonl_reader.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "data/file/utf8.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

constexpr const char* kExpected = "expected an object with one string \"text\"";

// Finds the text of a line's object and keeps nothing else, whatever stands beside it.
class TextFinder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::string text;
  std::string problem;
  bool found = false;

  bool null() override { return value("null"); }
  bool boolean(bool) override { return value("true or false"); }
  bool number_integer(number_integer_t) override { return value("a number"); }
  bool number_unsigned(number_unsigned_t) override { return value("a number"); }
  bool number_float(number_float_t, const string_t&) override { return value("a number"); }
  bool string(string_t& content) override {
    if (!is_text()) return value("a string");
    if (content.find('\0') != std::string::npos) return refuse("\"text\" holds NUL, which text never has");
    text = std::move(content);
    return true;
  }
  bool binary(binary_t&) override { return false; }  // not in JSON text
  bool start_object(std::size_t) override { return depth_ == 0 ? deeper() : value("an object") && deeper(); }
  bool start_array(std::size_t) override { return value("a list") && deeper(); }
  bool end_object() override { return --depth_, true; }
  bool end_array() override { return --depth_, true; }
  bool key(string_t& name) override {
    if (depth_ != 1) return true;
    is_text_ = name == "text";
    if (is_text_ && found) return refuse("the key \"text\" stands there twice");
    found |= is_text_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
    constexpr int kNumberOverflow = 406;
    return refuse(error.id == kNumberOverflow ? concat("the number that ends at column ", position, " is out of range")
                                              : concat("no JSON at column ", position));
  }

 private:
  static constexpr std::size_t kMaxDepth = 64;

  bool is_text() const { return depth_ == 1 && is_text_; }
  bool refuse(std::string what) {
    problem = std::move(what);
    return false;
  }
  bool value(const char* kind) {
    if (depth_ == 0) return refuse(concat("the line is ", kind));
    return is_text() ? refuse(concat("\"text\" is ", kind)) : true;
  }
  bool deeper() { return ++depth_ <= kMaxDepth || refuse(concat("nested deeper than ", kMaxDepth, " levels")); }

  std::size_t depth_ = 0;
  bool is_text_ = false;  // the value to come at depth 1
};

}  // namespace

void keep_jsonl_texts(FileContent& content, const std::string& path) {
  check_utf8(content.view(), path);
  std::size_t size = 0, line_number = 0;
  for (std::size_t begin = 0; begin < content.size;) {
    const std::string_view rest = content.view().substr(begin);
    const std::string_view line = rest.substr(0, std::min(rest.find('\n'), rest.size()));
    begin += line.size() + 1;
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    TextFinder finder;
    const bool good = nlohmann::json::sax_parse(line.begin(), line.end(), &finder);
    if (good && !finder.found) finder.problem = "the object has no \"text\"";
    if (!finder.problem.empty()) {
      throw Error(ErrorCode::kCorruptFile, concat(path, ":", line_number, ": ", finder.problem, ", ", kExpected));
    }
    // A text is never longer than the JSON that it is read from.
    std::memcpy(content.bytes.get() + size, finder.text.data(), finder.text.size());
    size += finder.text.size();
    content.bytes[size++] = '\n';
  }
  if (size == 0) throw Error(ErrorCode::kCorruptFile, concat(path, ":", line_number, ": no line, ", kExpected));
  content.size = size;
}

}  // namespace minimoe
