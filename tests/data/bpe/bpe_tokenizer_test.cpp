// SPDX-License-Identifier: Apache-2.0
#include "data/bpe/bpe_tokenizer.hpp"

#include <algorithm>
#include <numeric>

#include "data/bpe/byte_characters.hpp"
#include "data/bpe/gpt2_split.hpp"
#include "minimoe/core/random.hpp"
#include "support/catch.hpp"

using minimoe::BpeMerge;
using minimoe::BpeTokenizer;
using minimoe::RandomStream;
using minimoe::train_bpe;

namespace {

std::string decode(const BpeTokenizer& tokenizer, const std::vector<std::uint16_t>& ids) {
  std::string text;
  for (const std::uint16_t id : ids) text += tokenizer.tokens()[id];
  return text;
}

// Merges the leftmost of the most urgent pairs until none is left, by looking at everything each time.
std::vector<std::uint16_t> encode_slowly(const BpeTokenizer& tokenizer, std::string_view text) {
  std::vector<std::uint16_t> all;
  while (!text.empty()) {
    std::vector<std::uint32_t> ids;
    const std::string_view piece = text.substr(0, minimoe::gpt2_piece(text));
    text.remove_prefix(piece.size());
    for (const char byte : piece) {
      const std::string wanted(1, byte);
      ids.push_back(static_cast<std::uint32_t>(std::find(tokenizer.tokens().begin(), tokenizer.tokens().end(), wanted) -
                                               tokenizer.tokens().begin()));
    }
    for (bool merged = true; merged;) {
      merged = false;
      for (const BpeMerge& merge : tokenizer.merges()) {
        for (std::size_t i = 1; i < ids.size() && !merged; ++i) {
          if (ids[i - 1] != merge.left || ids[i] != merge.right) continue;
          ids[i - 1] = merge.result;
          ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i));
          merged = true;
        }
        if (merged) break;
      }
    }
    all.insert(all.end(), ids.begin(), ids.end());
  }
  return all;
}

}  // namespace

TEST_CASE("bpe: merges by hand, the most frequent pair first and of equal ones that of the smaller ids", "[bpe]") {
  // Pieces: abab, " ab" twice, " xy". Counts: ab 4, " a" 2, ba 1, " x" 1, xy 1.
  const BpeTokenizer tokenizer = train_bpe("abab ab ab xy", 260);
  const auto id_of = [&](const char* bytes) {
    return static_cast<std::uint32_t>(std::find(tokenizer.tokens().begin(), tokenizer.tokens().end(), bytes) -
                                      tokenizer.tokens().begin());
  };
  CHECK(id_of("!") == 0);
  CHECK(id_of("a") == 64);
  CHECK(id_of(" ") == 220);  // as in GPT-2
  // " ab" twice; then abab (256, 256), xy (87, 88) and " x" (220, 87), once each.
  CHECK(tokenizer.merges() == std::vector<BpeMerge>{{64, 65, 256}, {220, 256, 257}, {87, 88, 258}, {220, 258, 259}});
  CHECK(tokenizer.tokens()[257] == " ab");
  CHECK(tokenizer.encode("ab abxyab") == std::vector<std::uint16_t>{256, 257, 258, 256});
  CHECK(train_bpe("abab ab ab xy", 1000).vocab_size() == 261);  // until no pair is left
  CHECK(train_bpe("", 256).encode("\xFF\n").size() == 2);
}

TEST_CASE("bpe: encoding is merging the leftmost most urgent pair again and again, and decoding undoes it", "[bpe]") {
  const RandomStream stream(3, "bpe");
  for (std::uint64_t round = 0; round < 20; ++round) {
    std::string text;
    for (std::uint64_t i = 0; i < 400; ++i) text += "aaabbc d\n'\xC3\xB1"[stream.below(round * 1000 + i, 12)];
    const BpeTokenizer tokenizer = train_bpe(text, 256 + 10 * round);
    const auto ids = tokenizer.encode(text);
    REQUIRE(ids == encode_slowly(tokenizer, text));
    REQUIRE(decode(tokenizer, ids) == text);
  }
}

TEST_CASE("bpe: a piece of a million letters is encoded in a moment", "[bpe]") {
  const BpeTokenizer tokenizer = train_bpe("aaaaaaaaaaaaaaaa aaaaaaaaaaaaaaaa", 300);
  const std::string text(1'000'000, 'a');
  CHECK(decode(tokenizer, tokenizer.encode(text)) == text);
}

TEST_CASE("bpe: bytes and the characters that stand for them are one to one", "[bpe]") {
  std::string bytes(256, '\0');
  std::iota(bytes.begin(), bytes.end(), '\0');
  const std::string text = minimoe::visible_bytes(bytes);
  CHECK(text.starts_with("\u0100\u0101"));
  CHECK(minimoe::visible_bytes(" a\n\xAD") == "\u0120a\u010A\u0143");
  CHECK(minimoe::bytes_of_visible(text) == bytes);
  for (const char* bad :
       {" ", "\n", "\u00AD", "\u0144", "\u01FF", "\u0200", "\xC4", "\xC4z", "\xE2\x82\xAC", "a\xFF"}) {
    CHECK_FALSE(minimoe::bytes_of_visible(bad).has_value());
  }
}
