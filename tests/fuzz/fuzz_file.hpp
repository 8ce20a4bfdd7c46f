// SPDX-License-Identifier: Apache-2.0
// The input of a fuzz target as a file in memory.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

namespace minimoe_fuzz {

class FuzzFile {
 public:
  FuzzFile() : descriptor_(memfd_create("fuzz", 0)) {}
  void write(const std::uint8_t* data, std::size_t size) const {
    if (ftruncate(descriptor_, 0) != 0 || pwrite(descriptor_, data, size, 0) != static_cast<ssize_t>(size))
      std::abort();
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace minimoe_fuzz
