// SPDX-License-Identifier: Apache-2.0
// Is this UTF-8, and if not, where does it stop being so?
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace minimoe {

/// Accepts well-formed UTF-8 without NUL bytes: no overlong forms, no surrogates, nothing above U+10FFFF.
/// @throws Error(kCorruptFile) `path:line: ...` with the byte and its offset (from 0).
/// @see The Unicode Standard, table 3-7, "Well-Formed UTF-8 Byte Sequences".
void check_utf8(std::string_view text, const std::string& path);

/// Bytes of the well-formed sequence at the front of `text` (not empty); 0 when there is none.
std::size_t utf8_sequence_length(std::string_view text);

/// `text` with U+FFFD for every byte that is part of no well-formed sequence, and for NUL.
std::string replace_ill_formed(std::string_view text);

}  // namespace minimoe
