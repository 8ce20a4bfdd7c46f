// SPDX-License-Identifier: Apache-2.0
#include "train/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "minimoe/core/error.hpp"

namespace minimoe {

std::string errno_text(int error) { return concat(std::generic_category().message(error), " (errno ", error, ")"); }

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  require(!path_.empty() && path_.find('\0') == std::string::npos, "write: the path is empty or has a NUL byte");
  // Renaming over a device or a pipe would replace it.
  struct stat status {};
  if (stat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::kIo, path_ + ": cannot write: it exists and is not a regular file");
  }
  const std::size_t slash = path_.rfind('/');
  directory_ = slash == std::string::npos ? "." : path_.substr(0, std::max<std::size_t>(slash, 1));
  static std::atomic<unsigned> counter{0};
  do {
    // Short and independent of the name, which may be as long as a name can be.
    temporary_ = concat(directory_, "/.minimoe-", getpid(), '-', counter.fetch_add(1), ".tmp");
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && (errno == EEXIST || errno == EINTR));
  if (descriptor_ < 0) {
    const int error = errno;
    temporary_.clear();
    fail("cannot create a file in its directory", error);
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* what, int error) const {
  throw Error(ErrorCode::kIo, concat(path_, ": ", what, ": ", errno_text(error)));
}

void AtomicFile::write(const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(descriptor_, at, std::min(size, std::size_t{1} << 30));
    if (written < 0) {
      if (errno == EINTR) continue;
      fail("cannot write", errno);
    }
    at += written;
    size -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  if (fsync(descriptor_) != 0) fail("cannot sync", errno);
  const int descriptor = descriptor_;
  descriptor_ = -1;
  // Some file systems report a full disk only here.
  if (close(descriptor) != 0 && errno != EINTR) fail("cannot close", errno);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot rename the finished file to it", errno);
  temporary_.clear();
  const int directory = open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;  // a directory that may be written but not read: the rename stands, unsynced
  const int error = fsync(directory) == 0 ? 0 : errno;
  close(directory);
  if (error != 0 && error != EINVAL && error != ENOTSUP) fail("written, but its directory cannot be synced", error);
}

}  // namespace minimoe
