// SPDX-License-Identifier: Apache-2.0
// Token ids as text, for sources whose alphabet is not known: decimal numbers between white space.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace minimoe {

/// @throws Error(kInvalidArgument) unless 0 <= token < vocab_size.
std::string id_text(std::int32_t token, std::size_t vocab_size);

/// Ids of `text`. @throws Error(kInvalidArgument) naming the first word that is no id of the source `name`.
std::vector<std::int32_t> read_ids(const std::string& text, std::size_t vocab_size, const std::string& name);

}  // namespace minimoe
