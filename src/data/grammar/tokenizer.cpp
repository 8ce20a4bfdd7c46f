// SPDX-License-Identifier: Apache-2.0
#include "data/grammar/tokenizer.hpp"

#include <array>
#include <string_view>

#include "minimoe/core/error.hpp"

namespace minimoe::grammar {
namespace {

constexpr std::array<std::string_view, 7> kPunctuation = {".", ",", "?", ":", "(", ")", "¿"};

bool is_opening(std::string_view word) { return word == "(" || word == "¿"; }

bool is_punctuation(std::string_view word) {
  for (const std::string_view mark : kPunctuation) {
    if (word == mark) return true;
  }
  return false;
}

// Bytes of the punctuation mark that `text` begins with, or 0.
std::size_t leading_mark(std::string_view text) {
  for (const std::string_view mark : kPunctuation) {
    if (text.starts_with(mark)) return mark.size();
  }
  return 0;
}

}  // namespace

std::vector<std::int32_t> encode_words(const Vocabulary& vocabulary, const std::string& text) {
  std::vector<std::int32_t> tokens;
  const auto push = [&](std::string_view word) {
    const std::int32_t token = vocabulary.find(word);
    if (token < 0) {
      const std::string nearest = nearest_word(word, vocabulary.words());
      throw Error(
          ErrorCode::kInvalidArgument,
          concat("grammar corpus: the word \"", word, "\" is not in the vocabulary",
                 nearest.empty() || nearest == "\n" ? std::string() : concat("; nearest is \"", nearest, "\"")));
    }
    tokens.push_back(token);
  };
  const std::string_view view = text;
  for (std::size_t at = 0; at < view.size();) {
    if (view[at] == '\n') tokens.push_back(Vocabulary::kEnd);
    if (std::string_view(" \t\r\n").find(view[at]) != std::string_view::npos) {
      ++at;
      continue;
    }
    std::size_t length = leading_mark(view.substr(at));
    if (length == 0) {
      while (at + length < view.size() &&
             std::string_view(" \t\r\n").find(view[at + length]) == std::string_view::npos &&
             leading_mark(view.substr(at + length)) == 0) {
        ++length;
      }
    }
    push(view.substr(at, length));
    at += length;
  }
  return tokens;
}

std::string decode_words(const Vocabulary& vocabulary, std::span<const std::int32_t> tokens) {
  std::string text;
  bool needs_blank = false;
  for (const std::int32_t token : tokens) {
    const std::string& word = vocabulary.words()[static_cast<std::size_t>(token)];
    const bool ends = token == Vocabulary::kEnd;
    const bool closes = ends || (is_punctuation(word) && !is_opening(word));
    if (needs_blank && !closes) text += ' ';
    text += word;
    needs_blank = !ends && !is_opening(word);
  }
  return text;
}

}  // namespace minimoe::grammar
