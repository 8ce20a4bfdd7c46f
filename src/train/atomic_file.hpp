// SPDX-License-Identifier: Apache-2.0
// A file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace minimoe {

/// Collects bytes in a temporary file beside `path`; commit() syncs it and renames it over `path`. Destroyed without
/// commit(), or after an error, it leaves nothing behind and an earlier file as it was.
class AtomicFile {
 public:
  /// @throws Error(kIo) when the directory cannot be written to, or `path` is something other than a regular file.
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  [[noreturn]] void fail(const char* what, int error) const;

  std::string path_, directory_, temporary_;
  int descriptor_ = -1;
};

/// `No such file or directory (errno 2)`
std::string errno_text(int error);

}  // namespace minimoe
