// SPDX-License-Identifier: Apache-2.0
// Tensors read from an open file, whatever its format.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>

#include "train/safetensors.hpp"

namespace minimoe {

/// Opens a regular file for reading; `status` becomes its. @return its descriptor @throws Error(kIo).
int open_regular_file(const std::string& path, struct stat& status);

/// Reads exactly `size` bytes. @param what for the message @throws Error(kIo).
void read_exactly(int descriptor, const std::string& path, std::uint64_t offset, void* data, std::uint64_t size,
                  const std::string& what);

/// Reads `count` values of `type` at byte `offset` as T; of another type than T's, through a buffer of at most 64 KiB.
template <class T>
void read_values(int descriptor, const std::string& path, TensorType type, std::uint64_t offset, std::size_t count,
                 T* values, const std::string& what);

}  // namespace minimoe
