// SPDX-License-Identifier: Apache-2.0
#include "data/file/utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

// Length of the leading run of ASCII without NUL, whole words of eight bytes only.
std::size_t ascii_words(const char* bytes, std::size_t size) {
  std::size_t done = 0;
  for (; size - done >= 8; done += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes + done, 8);
    // A byte below 0x80 minus 1 sets its top bit for NUL only.
    if (((word | (word - 0x0101010101010101u)) & 0x8080808080808080u) != 0) break;
  }
  return done;
}

[[noreturn]] void refuse(std::string_view text, std::size_t offset, const std::string& path) {
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
  const auto byte = static_cast<unsigned char>(text[offset]);
  const char hex[] = {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15], '\0'};
  throw Error(ErrorCode::kCorruptFile,
              concat(path, ":", line, ": byte 0x", hex, " at offset ", offset,
                     byte == 0 ? " is NUL, which text never has (is this a binary file, or UTF-16?)"
                               : " is not UTF-8, expected UTF-8 text"));
}

}  // namespace

std::size_t utf8_sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto within = [&](std::size_t i, unsigned low, unsigned high) { return byte(i) >= low && byte(i) <= high; };
  const auto continues = [&](std::size_t i) { return within(i, 0x80, 0xBF); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return continues(1) ? 2 : 0;
  if (lead < 0xF0) {
    const bool second = within(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF);
    return second && continues(2) ? 3 : 0;
  }
  if (lead > 0xF4) return 0;
  const bool second = within(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF);
  return second && continues(2) && continues(3) ? 4 : 0;
}

void check_utf8(std::string_view text, const std::string& path) {
  std::size_t i = 0;
  while (true) {
    i += ascii_words(text.data() + i, text.size() - i);
    if (i == text.size()) return;
    const std::size_t length = text[i] == '\0' ? 0 : utf8_sequence_length(text.substr(i));
    if (length == 0) refuse(text, i, path);
    i += length;
  }
}

std::string replace_ill_formed(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = text[i] == '\0' ? 0 : utf8_sequence_length(text.substr(i));
    if (length == 0) {
      result += "\xEF\xBF\xBD";
    } else {
      result += text.substr(i, length);
    }
    i += std::max<std::size_t>(length, 1);
  }
  return result;
}

}  // namespace minimoe
