// SPDX-License-Identifier: Apache-2.0
#include "appended_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "exit_codes.hpp"

namespace cli {

AppendedFile::AppendedFile(std::filesystem::path path, const char* mode)
    : path_(std::move(path)), file_(std::fopen(path_.c_str(), mode)) {
  if (!file_) throw BadInput("cannot write " + path_.string() + ": " + std::strerror(errno));
}

void AppendedFile::fail() const { throw RunFailed("cannot write " + path_.string() + ": " + std::strerror(errno)); }

void AppendedFile::write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) fail();
}

void AppendedFile::flush() {
  if (std::fflush(file_.get()) != 0) fail();
}

void AppendedFile::sync() {
  flush();
  // EINVAL: a file of a kind that cannot be synced.
  if (fsync(fileno(file_.get())) != 0 && errno != EINVAL) fail();
}

}  // namespace cli
