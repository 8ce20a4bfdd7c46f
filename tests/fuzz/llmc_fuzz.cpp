// SPDX-License-Identifier: Apache-2.0
#include "read_source.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  minimoe_fuzz::read_source(data, size, {.format = minimoe::FileFormat::kLlmc});
  return 0;
}
