// SPDX-License-Identifier: Apache-2.0
// Any bytes at all as a safetensors file: an Error, or tensors that lie in the file, cover it and can be read.
#include <cstdlib>
#include <string>

#include "fuzz_file.hpp"
#include "train/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const minimoe_fuzz::FuzzFile input;
  input.write(data, size);
  try {
    const minimoe::SafetensorsFile file(input.path());
    std::uint64_t covered = 0;
    for (const auto& entry : file.entries()) {
      if (entry.end > size || entry.begin > entry.end || file.find(entry.name) != &entry) std::abort();
      covered += entry.end - entry.begin;
      const std::size_t count = (entry.end - entry.begin) / tensor_type_size(entry.type);
      std::vector<float> values(count);
      file.read_as(entry, 0, count, values.data());
    }
    std::uint64_t header_size = 0;
    std::memcpy(&header_size, data, sizeof header_size);
    if (covered != size - sizeof header_size - header_size) std::abort();
  } catch (const minimoe::Error&) {
  }
  return 0;
}
