// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string_view>

namespace cli {

/// A regular file to read from beginning to end, whatever its size: its pages come and go with the reading and are no
/// memory of the process. It must not be cut short meanwhile.
class MappedFile {
 public:
  /// @throws BadInput.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view text() const { return {static_cast<const char*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace cli
