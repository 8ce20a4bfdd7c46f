// SPDX-License-Identifier: Apache-2.0
#include "character.hpp"

#include <algorithm>

#include "json_text.hpp"

namespace cli {

namespace {

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

}  // namespace

std::string printable(const std::string& text) {
  const std::string valid = Json::parse(json_text(Json(text))).get<std::string>();  // replaces broken bytes
  std::string result;
  for (std::size_t i = 0; i < valid.size(); ++i) {
    const auto byte = static_cast<unsigned char>(valid[i]);
    const auto next = i + 1 < valid.size() ? static_cast<unsigned char>(valid[i + 1]) : 0;
    const bool c1_control = byte == 0xC2 && next >= 0x80 && next <= 0x9F;
    const bool no_character = byte == 0xEF && next == 0xBF && i + 2 < valid.size() &&
                              static_cast<unsigned char>(valid[i + 2]) >= 0xBE;  // U+FFFE, U+FFFF
    if (byte < ' ' || byte == 0x7F || c1_control || no_character) {
      result += "\xEF\xBF\xBD";
      i += no_character ? 2 : c1_control ? 1 : 0;
    } else {
      result += valid[i];
    }
  }
  return result;
}

std::size_t num_characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string shortened(const std::string& text, std::size_t max_length) {
  if (num_characters(text) <= max_length) return text;
  std::size_t count = 0, at = 0;
  for (; at < text.size(); ++at) {
    if (begins_character(text[at]) && ++count == max_length) break;
  }
  return text.substr(0, at) + "…";
}

}  // namespace cli
