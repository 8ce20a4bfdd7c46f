// SPDX-License-Identifier: Apache-2.0
// Rows of cells as aligned text.
#pragma once

#include <string>
#include <vector>

namespace cli {

using TextRow = std::vector<std::string>;

/// The first column to the left, the others to the right, two spaces apart. Rows may have different lengths.
std::string text_table(const std::vector<TextRow>& rows);
/// The same as a Markdown table; the first row is its head.
std::string markdown_table(const std::vector<TextRow>& rows);

}  // namespace cli
