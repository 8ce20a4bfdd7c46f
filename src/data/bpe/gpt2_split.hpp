// SPDX-License-Identifier: Apache-2.0
// GPT-2's division of text into the pieces within which byte pairs merge.
#pragma once

#include <cstddef>
#include <string_view>

namespace minimoe {

/// Bytes of the first match, at the front of `text` (UTF-8, not empty), of GPT-2's pattern
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// It matches at every place, so that pieces taken one after another are the whole text. A byte that is not part of
/// UTF-8 counts as a character of neither class.
/// @see Radford et al., GPT-2, encoder.py.
std::size_t gpt2_piece(std::string_view text);

}  // namespace minimoe
