// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace cli {

/// Replaces `path` by `content` as a whole: a temporary file beside it, synced, then renamed. On an error an earlier
/// file stays as it was. @throws BadInput.
void write_file_atomically(const std::filesystem::path& path, const std::string& content);

/// The whole content of a regular file. @throws BadInput, also above `max_bytes`.
std::string read_whole_file(const std::filesystem::path& path, std::size_t max_bytes);

}  // namespace cli
