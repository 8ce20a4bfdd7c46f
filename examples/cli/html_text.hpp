// SPDX-License-Identifier: Apache-2.0
// Text as HTML: everything that is not ours is escaped.
#pragma once

#include <string>
#include <vector>

namespace cli {

/// For element content and quoted attributes.
std::string html(const std::string& text);

/// <tag>text</tag>, the text escaped.
std::string element(const std::string& tag, const std::string& text);

/// Headings (begun two levels down), paragraphs, lists, **bold**, *emphasis* and `code`; anything else stands as it is.
std::string markdown_as_html(const std::string& markdown);

/// The columns of a table laid out in text, two or more blanks between them; <pre> when its rows differ in cells.
std::string table_as_html(const std::string& table_text, const std::string& caption);

/// One row of header cells, then rows that begin with a header cell each. All cells are HTML.
std::string html_table(const std::string& caption, const std::vector<std::string>& head,
                       const std::vector<std::vector<std::string>>& rows);

}  // namespace cli
