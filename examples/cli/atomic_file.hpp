// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace cli {

/// A file that is written piece by piece beside `path`, and replaces it as a whole or not at all.
class AtomicFile {
 public:
  /// @throws BadInput.
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// @throws BadInput.
  void write(std::string_view content);
  /// Syncs and renames; once, at the end. @throws BadInput.
  void commit();

 private:
  std::filesystem::path path_;
  std::string temporary_;
  int file_ = -1;
};

/// Replaces `path` by `content` as a whole: a temporary file beside it, synced, then renamed. On an error an earlier
/// file stays as it was. @throws BadInput.
void write_file_atomically(const std::filesystem::path& path, const std::string& content);

/// The whole content of a regular file. @throws BadInput, also above `max_bytes`.
std::string read_whole_file(const std::filesystem::path& path, std::size_t max_bytes);

}  // namespace cli
