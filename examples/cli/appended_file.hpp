// SPDX-License-Identifier: Apache-2.0
// A file that grows by whole pieces while a run goes on.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>

namespace cli {

class AppendedFile {
 public:
  /// @param mode  of fopen: "w", "a", or "wx" for a file that must be new. @throws BadInput.
  AppendedFile(std::filesystem::path path, const char* mode);

  const std::filesystem::path& path() const { return path_; }
  /// @throws RunFailed, as do the others.
  void write(std::string_view bytes);
  /// Hands everything written so far to the operating system.
  void flush();
  /// The same, down to the disk.
  void sync();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  [[noreturn]] void fail() const;

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace cli
