// SPDX-License-Identifier: Apache-2.0
// Where the token ids of a .bin file lie.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace minimoe {

struct TokenLayout {
  std::size_t offset = 0;      ///< bytes before the first id
  std::size_t width = 2;       ///< bytes of an id, little-endian: 2 or 4
  std::size_t num_tokens = 0;  ///< to the end of the file
};

/// nanoGPT's: uint16 and nothing else. @throws Error(kCorruptFile) for an odd number of bytes.
TokenLayout raw_token_layout(std::string_view file, const std::string& path);

/// llm.c's: 256 int32 first, of which [0] is a mark, [1] the version that belongs to it and [2] the number of ids.
///   20240520, 1: uint16 (GPT-2);  20240801, 7: uint32 (Llama 3)
/// @throws Error(kCorruptFile) naming the offset, what stands there and what is allowed; for a number of ids that the
///         file's size does not have, too.
TokenLayout llmc_token_layout(std::string_view file, const std::string& path);

/// Whether the file begins with one of llm.c's marks. As raw ids these would be 55432, 308 and 55713, 308, and GPT-2
/// has 50257.
bool has_llmc_mark(std::string_view file);

}  // namespace minimoe
