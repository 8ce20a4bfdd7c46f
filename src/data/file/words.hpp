// SPDX-License-Identifier: Apache-2.0
// Prompts of word-level sources: words separated by white space.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

namespace minimoe {

inline std::vector<std::string_view> split_words(std::string_view text) {
  constexpr const char* kSpace = " \t\r\n";
  std::vector<std::string_view> words;
  for (std::size_t begin = text.find_first_not_of(kSpace); begin != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kSpace, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kSpace, end);
  }
  return words;
}

}  // namespace minimoe
