// SPDX-License-Identifier: Apache-2.0
// A CoNLL-U treebank as running text, for vocabularies whose tokens are parts of words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minimoe {

/// The words' forms, a space between two unless MISC says SpaceAfter=No, a line for each sentence. A multiword token
/// (3-4) stands as it is written where its words, put together, are it ("do" "n't"); else its words stand apart.
struct ConlluText {
  struct Span {
    std::size_t end = 0;          ///< one past its last byte; it begins where the one before ends
    std::uint8_t word_class = 0;  ///< index into conllu_class_names()
  };
  std::string text;
  std::vector<Span> spans;                 ///< a word with the space before it, or a line's end, each
  std::vector<std::size_t> sentence_ends;  ///< one past the last byte of each line
};

/// @throws Error(kCorruptFile) with the line.
ConlluText conllu_text(std::string_view content, const std::string& path);

/// The class of each token: that of the word in which its first byte that is no space stands; of a token of nothing
/// else, that of its first byte. So every part of a word has the word's class.
/// @param tokens  their bytes, which put together are text.text
std::vector<std::uint8_t> spread_classes(const ConlluText& text, const std::vector<std::string_view>& tokens);

}  // namespace minimoe
