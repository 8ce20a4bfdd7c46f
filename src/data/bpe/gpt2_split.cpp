// SPDX-License-Identifier: Apache-2.0
#include "data/bpe/gpt2_split.hpp"

#include <array>

#include "data/bpe/unicode_classes.hpp"
#include "data/file/utf8.hpp"

namespace minimoe {
namespace {

struct Character {
  UnicodeClass kind = UnicodeClass::kOther;
  std::size_t size = 1;  // in bytes
};

// Of the character at the front of `text`, not empty.
Character front(std::string_view text) {
  static const auto kAscii = [] {
    std::array<UnicodeClass, 128> classes = {};
    for (char32_t c = 0; c < classes.size(); ++c) classes[c] = unicode_class(c);
    return classes;
  }();
  const auto byte = static_cast<unsigned char>(text[0]);
  if (byte < 128) return {kAscii[byte], 1};
  const std::size_t size = utf8_sequence_length(text);
  if (size == 0) return {};
  char32_t code_point = byte & (0x7F >> size);
  for (std::size_t i = 1; i < size; ++i) code_point = code_point << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
  return {unicode_class(code_point), size};
}

// Bytes of 's 't 'm 'd 're 've 'll at the front of `text`; 0 when there is none.
std::size_t contraction(std::string_view text) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  if (std::string_view("stmd").find(text[1]) != std::string_view::npos) return 2;
  const std::string_view pair = text.substr(1, 2);
  return pair == "re" || pair == "ve" || pair == "ll" ? 3 : 0;
}

struct Run {
  std::size_t size = 0;  // in bytes
  std::size_t last = 0;  // bytes of its last character
};

Run run_of(UnicodeClass kind, std::string_view text) {
  Run run;
  while (run.size < text.size()) {
    const Character next = front(text.substr(run.size));
    if (next.kind != kind) break;
    run.size += next.size;
    run.last = next.size;
  }
  return run;
}

}  // namespace

std::size_t gpt2_piece(std::string_view text) {
  if (const std::size_t size = contraction(text)) return size;
  const std::size_t space = text[0] == ' ' && text.size() > 1 ? 1 : 0;
  const UnicodeClass kind = front(text.substr(space)).kind;
  if (kind != UnicodeClass::kSpace) return space + run_of(kind, text.substr(space)).size;
  // White space leaves its last character to the word after it, unless it has only one.
  const Run run = run_of(UnicodeClass::kSpace, text);
  return run.size == text.size() || run.size == run.last ? run.size : run.size - run.last;
}

}  // namespace minimoe
