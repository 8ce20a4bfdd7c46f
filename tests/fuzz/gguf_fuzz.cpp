// SPDX-License-Identifier: Apache-2.0
// Any bytes at all as a GGUF file: an Error, or tensors that lie in the file and can be read; and perhaps a model.
#include <cstdlib>

#include "exchange/gguf_file.hpp"
#include "fuzz_file.hpp"
#include "minimoe/exchange/gguf.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const minimoe_fuzz::FuzzFile input;
  input.write(data, size);
  try {
    const minimoe::GgufFile file(input.path());
    for (const auto& entry : file.entries()) {
      if (entry.end > size || entry.begin > entry.end) std::abort();
      std::vector<float> values((entry.end - entry.begin) / tensor_type_size(entry.type));
      file.read_as(entry, 0, values.size(), values.data());
    }
    const minimoe::GgufModel model(input.path());
    if (!model.config().problems().empty()) std::abort();
  } catch (const minimoe::Error&) {
  }
  return 0;
}
