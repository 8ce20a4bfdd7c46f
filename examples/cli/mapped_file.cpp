// SPDX-License-Identifier: Apache-2.0
#include "mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "exit_codes.hpp"

namespace cli {

MappedFile::MappedFile(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  std::string problem = file < 0 ? std::strerror(errno) : "";
  struct stat status = {};
  if (problem.empty() && (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))) problem = "not a regular file";
  size_ = static_cast<std::size_t>(status.st_size);
  if (problem.empty() && size_ > 0) {
    data_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    if (data_ == MAP_FAILED) problem = std::strerror(errno);
  }
  if (file >= 0) close(file);
  if (!problem.empty()) throw BadInput("cannot read " + path.string() + ": " + problem);
  if (data_) madvise(data_, size_, MADV_SEQUENTIAL);
}

MappedFile::~MappedFile() {
  if (data_) munmap(data_, size_);
}

}  // namespace cli
