// SPDX-License-Identifier: Apache-2.0
// Any bytes at all as a tokenizer.json: an Error, or a tokenizer whose ids of any text give that text back.
#include <cstdlib>

#include "data/bpe/tokenizer_json.hpp"
#include "minimoe/core/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const minimoe::BpeTokenizer tokenizer = minimoe::read_tokenizer_json(text, "fuzz");
    std::string again;
    for (const std::uint16_t id : tokenizer.encode(text)) again += tokenizer.tokens()[id];
    if (again != text) std::abort();
  } catch (const minimoe::Error&) {
  }
  return 0;
}
