// SPDX-License-Identifier: Apache-2.0
// Any text at all as config.json: an Error, or a model that is written back as the same model.
#include <cstdint>
#include <cstdlib>

#include "exchange/hf_tensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace minimoe;
  try {
    const HfConfig read = read_hf_config(std::string(reinterpret_cast<const char*>(data), size), "fuzz");
    const std::size_t count = num_hf_tensors(read.type, read.model);
    if (count < 10'000 && hf_tensors(read.type, read.model).size() != count) std::abort();
    try {
      const std::string text = hf_config_json(choose_hf_type(read.model, false), read.model);
      const HfConfig again = read_hf_config(text, "again");
      if (hf_config_json(again.type, again.model) != text) std::abort();
    } catch (const Error& error) {
      // A regular distance from no block on is the one rule that is read and cannot be written.
      if (error.code() != ErrorCode::kUnsupported) throw;
    }
  } catch (const Error&) {
  }
  return 0;
}
