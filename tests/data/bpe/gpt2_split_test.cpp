// SPDX-License-Identifier: Apache-2.0
#include "data/bpe/gpt2_split.hpp"

#include <string>
#include <vector>

#include "data/bpe/unicode_classes.hpp"
#include "support/catch.hpp"

using minimoe::gpt2_piece;
using minimoe::unicode_class;
using minimoe::UnicodeClass;
using Pieces = std::vector<std::string>;

namespace {

Pieces pieces_of(std::string_view text) {
  Pieces pieces;
  while (!text.empty()) {
    pieces.emplace_back(text.substr(0, gpt2_piece(text)));
    text.remove_prefix(pieces.back().size());
  }
  return pieces;
}

}  // namespace

TEST_CASE("gpt2_split: words take the space before them, contractions stand alone, white space its last to the word",
          "[bpe]") {
  CHECK(pieces_of("Hello world") == Pieces{"Hello", " world"});
  CHECK(pieces_of("it's we'll they'd I'm you're I've don't") ==
        Pieces{"it", "'s", " we", "'ll", " they", "'d", " I", "'m", " you", "'re", " I", "'ve", " don", "'t"});
  CHECK(pieces_of("IT'S 'sun 'x '") == Pieces{"IT", "'", "S", " '", "sun", " '", "x", " '"});
  CHECK(pieces_of("'lx'r") == Pieces{"'", "lx", "'", "r"});
  CHECK(pieces_of("a1b22 3,,.c !? 4") == Pieces{"a", "1", "b", "22", " 3", ",,.", "c", " !?", " 4"});
  CHECK(pieces_of("a   b") == Pieces{"a", "  ", " b"});
  CHECK(pieces_of("a \n b\n\nc\td") == Pieces{"a", " \n", " b", "\n", "\n", "c", "\t", "d"});
  CHECK(pieces_of("end  ") == Pieces{"end", "  "});
  CHECK(pieces_of(" ") == Pieces{" "});
  CHECK(pieces_of("\n") == Pieces{"\n"});
  CHECK(pieces_of("a\u00A0\u00A0b\u3000") == Pieces{"a", "\u00A0", "\u00A0", "b", "\u3000"});
}

TEST_CASE("gpt2_split: letters and numbers are Unicode's, and what is not UTF-8 is neither", "[bpe]") {
  CHECK(pieces_of("ño más, Ελλάδα ١٢ 五²½ Ⅻ") == Pieces{"ño", " más", ",", " Ελλάδα", " ١٢", " 五", "²½", " Ⅻ"});
  CHECK(pieces_of("a\xFFz\xC3") == Pieces{"a", "\xFF", "z", "\xC3"});
  CHECK(unicode_class('a') == UnicodeClass::kLetter);
  CHECK(unicode_class(0x10FFFF) == UnicodeClass::kOther);
  CHECK(unicode_class(0x85) == UnicodeClass::kSpace);
  CHECK(unicode_class(0x1C) == UnicodeClass::kOther);  // not White_Space, whatever isspace says
  CHECK(unicode_class(0x200B) == UnicodeClass::kOther);
  CHECK(unicode_class(0x1C89) == UnicodeClass::kLetter);  // new in Unicode 16
  CHECK(unicode_class(0x323AF) == UnicodeClass::kLetter);
  CHECK(unicode_class(0x323B0) == UnicodeClass::kOther);
}
