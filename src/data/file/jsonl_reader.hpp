// SPDX-License-Identifier: Apache-2.0
// JSON Lines: a document a line, as the text of an object.
#pragma once

#include <string>

#include "data/file/read_file.hpp"

namespace minimoe {

/// Replaces the lines of `content` by their documents, in place: the string under the key "text" of each line's object,
/// followed by a newline. Other keys may hold anything; lines of white space are passed over.
/// @throws Error(kCorruptFile) `path:line: ...` for a line that is not UTF-8, no JSON, nested deeper than 64 levels, no
///         object, or without exactly one string "text" free of NUL; and for a file without a document.
void keep_jsonl_texts(FileContent& content, const std::string& path);

}  // namespace minimoe
