// SPDX-License-Identifier: Apache-2.0
// A whole file in memory, decompressed when its name ends in .gz, with the hash of the bytes on disk.
#pragma once

#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "minimoe/core/tensor.hpp"

namespace minimoe {

struct ReturnBytes {
  MemoryResource* resource = nullptr;
  std::size_t size = 0;
  void operator()(char* bytes) const { resource->deallocate(bytes, size, kAlignment); }
};

struct FileContent {
  std::unique_ptr<char[], ReturnBytes> bytes;
  std::size_t size = 0;
  std::size_t capacity = 0;  ///< bytes allocated
  std::string sha256;        ///< of the file as it lies on disk, 64 hex digits

  std::string_view view() const { return {bytes.get(), size}; }
};

/// One allocation for a plain file, and for a .gz file whose trailer states its size (one member below 4 GiB).
/// @param max_bytes  that it may have, decompressed.
/// @throws Error(kIo) when the file is missing, no regular file or unreadable; Error(kCorruptFile) when it is empty or
///         larger than max_bytes, or gzip data is damaged or ends early.
FileContent read_file(const std::string& path, MemoryResource* resource = nullptr,
                      std::size_t max_bytes = std::numeric_limits<std::size_t>::max() - 1);

bool is_gzip_name(std::string_view path);

}  // namespace minimoe
