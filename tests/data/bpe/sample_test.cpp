// SPDX-License-Identifier: Apache-2.0
// Runs only when asked for, by tests/golden/compare_tokenizers.py.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "data/bpe/bpe_tokenizer.hpp"
#include "data/bpe/tokenizer_json.hpp"
#include "support/catch.hpp"

TEST_CASE("bpe: what the text of $MINIMOE_SAMPLE_FILE becomes with $MINIMOE_SAMPLE_VOCAB tokens", "[.bpe_sample]") {
  const std::string path = std::getenv("MINIMOE_SAMPLE_FILE");
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto tokenizer = minimoe::train_bpe(text, std::strtoull(std::getenv("MINIMOE_SAMPLE_VOCAB"), nullptr, 10));
  std::ofstream(path + ".tokenizer.json") << minimoe::tokenizer_json(tokenizer);
  std::ofstream ids(path + ".ids");
  for (const std::uint16_t id : tokenizer.encode(text)) ids << id << '\n';
}
