// SPDX-License-Identifier: Apache-2.0
#include "data/bpe/byte_characters.hpp"

namespace minimoe {
namespace {

bool is_visible(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);  // 0xAD is the soft hyphen
}

struct ByteMap {
  std::array<std::uint16_t, 256> character_of = {};
  std::array<std::int16_t, 512> byte_of = {};
  std::array<unsigned char, 256> ordered = {};
};

const ByteMap& byte_map() {
  static const ByteMap kMap = [] {
    ByteMap map;
    map.byte_of.fill(-1);
    unsigned next = 256, num_ordered = 0;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const unsigned character = is_visible(byte) ? byte : next++;
      map.character_of[byte] = static_cast<std::uint16_t>(character);
      map.byte_of[character] = static_cast<std::int16_t>(byte);
    }
    for (const std::int16_t byte : map.byte_of) {
      if (byte >= 0) map.ordered[num_ordered++] = static_cast<unsigned char>(byte);
    }
    return map;
  }();
  return kMap;
}

}  // namespace

std::string visible_bytes(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    const unsigned character = byte_map().character_of[static_cast<unsigned char>(byte)];
    if (character < 0x80) {
      text += static_cast<char>(character);
    } else {
      text += {static_cast<char>(0xC0 | character >> 6), static_cast<char>(0x80 | (character & 0x3F))};
    }
  }
  return text;
}

std::optional<std::string> bytes_of_visible(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned character = static_cast<unsigned char>(text[i]);
    if (character >= 0x80) {  // every character of the map above ASCII has two bytes
      if (character < 0xC2 || character > 0xC7 || i + 1 == text.size()) return std::nullopt;
      const unsigned continuation = static_cast<unsigned char>(text[++i]);
      if (continuation >> 6 != 2) return std::nullopt;
      character = (character & 0x1F) << 6 | (continuation & 0x3F);
    }
    const std::int16_t byte = byte_map().byte_of[character];
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

const std::array<unsigned char, 256>& bytes_by_character() { return byte_map().ordered; }

}  // namespace minimoe
