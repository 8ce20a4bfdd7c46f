// SPDX-License-Identifier: Apache-2.0
// How byte-level tokenizers write bytes as visible characters in their files.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace minimoe {

/// GPT-2's map: a byte that is a visible character of Latin-1 is that character, the others are U+0100, U+0101, ...
std::string visible_bytes(std::string_view bytes);
/// The inverse. None when a character of `text` stands for no byte.
std::optional<std::string> bytes_of_visible(std::string_view text);

/// The bytes in the order of their characters: that of the first 256 ids of GPT-2's vocabulary.
const std::array<unsigned char, 256>& bytes_by_character();

}  // namespace minimoe
