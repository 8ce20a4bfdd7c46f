// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace cli {

/// CRC-32C (Castagnoli: polynomial 0x1EDC6F41, bits reflected, all ones before and after); of "123456789" 0xE3069283.
/// @see RFC 3720, appendix B.4.
std::uint32_t crc32c(std::string_view bytes);

}  // namespace cli
