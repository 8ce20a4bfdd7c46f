// SPDX-License-Identifier: Apache-2.0
#include "crc32c.hpp"

#include <array>

namespace cli {

namespace {

constexpr std::array<std::uint32_t, 256> kRemainders = [] {
  constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78;
  std::array<std::uint32_t, 256> remainders = {};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) remainder = remainder >> 1 ^ (remainder & 1 ? kReflectedPolynomial : 0);
    remainders[byte] = remainder;
  }
  return remainders;
}();

constexpr std::uint32_t crc32c_of(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) crc = crc >> 8 ^ kRemainders[(crc ^ static_cast<unsigned char>(byte)) & 255];
  return ~crc;
}

static_assert(crc32c_of("123456789") == 0xE3069283);  // the check value of the catalogues

}  // namespace

std::uint32_t crc32c(std::string_view bytes) { return crc32c_of(bytes); }

}  // namespace cli
