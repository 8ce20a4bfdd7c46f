// SPDX-License-Identifier: Apache-2.0
// Text that people will see, counted and cut in characters, not bytes.
#pragma once

#include <string>

namespace cli {

/// `text` as valid UTF-8 without control characters: each of these, and each broken byte, becomes U+FFFD.
std::string printable(const std::string& text);
/// Code points of valid UTF-8.
std::size_t num_characters(const std::string& text);
/// At most `max_length` characters; a cut is shown by "…".
std::string shortened(const std::string& text, std::size_t max_length);

}  // namespace cli
