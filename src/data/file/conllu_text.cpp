// SPDX-License-Identifier: Apache-2.0
#include "data/file/conllu_text.hpp"

#include <algorithm>

#include "data/file/conllu_reader.hpp"

namespace minimoe {
namespace {

struct Word {
  std::string_view form;
  std::uint8_t word_class;
  bool space_after;
};

/// Takes the spaces out of a multiword token, the last `count` of `words`, when they put together are as it is written.
void join_range(std::vector<Word>& words, std::size_t count, const ConlluReader::Range& range) {
  std::string joined;
  for (std::size_t i = words.size() - count; i < words.size(); ++i) joined += words[i].form;
  if (joined == range.form) {
    for (std::size_t i = words.size() - count; i + 1 < words.size(); ++i) words[i].space_after = false;
  }
  words.back().space_after = range.space_after;
}

}  // namespace

ConlluText conllu_text(std::string_view content, const std::string& path) {
  static const auto kEndClass =
      static_cast<std::uint8_t>(std::find(conllu_class_names().begin(), conllu_class_names().end(), "sentence-end") -
                                conllu_class_names().begin());
  ConlluText made;
  std::vector<Word> words;
  ConlluReader reader(content, path);
  for (auto item = reader.next(); item != ConlluReader::Item::kEnd; item = reader.next()) {
    if (item == ConlluReader::Item::kWord) {
      words.push_back({reader.form(), reader.word_class(), reader.space_after()});
      const ConlluReader::Range& range = reader.range();
      if (range.last == words.size()) join_range(words, range.last - range.first + 1, range);
      continue;
    }
    bool space = false;
    for (const Word& word : words) {
      if (space) made.text += ' ';
      made.text += word.form;
      made.spans.push_back({made.text.size(), word.word_class});
      space = word.space_after;
    }
    made.text += '\n';
    made.spans.push_back({made.text.size(), kEndClass});
    made.sentence_ends.push_back(made.text.size());
    words.clear();
  }
  return made;
}

std::vector<std::uint8_t> spread_classes(const ConlluText& text, const std::vector<std::string_view>& tokens) {
  std::vector<std::uint8_t> classes;
  classes.reserve(tokens.size());
  std::size_t begin = 0;
  auto span = text.spans.begin();
  for (const std::string_view token : tokens) {
    const std::size_t letter = token.find_first_not_of(" \t\r\n");
    const std::size_t at = begin + (letter == token.npos ? 0 : letter);
    while (span->end <= begin) ++span;
    auto here = span;
    while (here->end <= at) ++here;
    classes.push_back(here->word_class);
    begin += token.size();
  }
  return classes;
}

}  // namespace minimoe
