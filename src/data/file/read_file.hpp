// SPDX-License-Identifier: Apache-2.0
// A whole file in memory, decompressed when its name ends in .gz, with the hash of the bytes on disk.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace minimoe {

struct FileContent {
  std::unique_ptr<char[]> bytes;
  std::size_t size = 0;
  std::size_t capacity = 0;  ///< bytes allocated
  std::string sha256;        ///< of the file as it lies on disk, 64 hex digits

  std::string_view view() const { return {bytes.get(), size}; }
};

/// One allocation for a plain file, and for a .gz file whose trailer states its size (one member below 4 GiB).
/// @throws Error(kIo) when the file is missing, no regular file or unreadable; Error(kCorruptFile) when it is empty, or
///         gzip data is damaged or ends early.
FileContent read_file(const std::string& path);

bool is_gzip_name(std::string_view path);

}  // namespace minimoe
