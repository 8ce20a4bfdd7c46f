// SPDX-License-Identifier: Apache-2.0
#include "data/file/conllu_source.hpp"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "data/file/conllu_reader.hpp"
#include "data/file/utf8.hpp"
#include "data/file/words.hpp"

namespace minimoe {
namespace {

constexpr std::uint32_t kUnknown = 0, kSentenceEnd = 1, kNumSpecial = 2;
constexpr const char* kSpecialTexts[] = {"<unk>", "<eos>"};

// All words of the file, numbered by first appearance.
struct NumberedWords {
  std::vector<std::string_view> words;  // [0] and [1] are the special ones
  std::vector<std::uint32_t> numbers;
  std::vector<std::uint8_t> classes;
  std::vector<std::size_t> sentence_ends;  // one past each sentence's last token
};

NumberedWords number_words(std::string_view text, const std::string& path) {
  static const auto kEndClass =
      static_cast<std::uint8_t>(std::find(conllu_class_names().begin(), conllu_class_names().end(), "sentence-end") -
                                conllu_class_names().begin());
  NumberedWords all;
  all.words = {kSpecialTexts[kUnknown], kSpecialTexts[kSentenceEnd]};
  // A treebank's words that look like the special ones are unknown words.
  std::unordered_map<std::string_view, std::uint32_t> number_of = {{all.words[0], kUnknown}, {all.words[1], kUnknown}};
  const auto num_lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 2;
  all.numbers.reserve(num_lines);
  all.classes.reserve(num_lines);
  ConlluReader reader(text, path);
  for (auto item = reader.next(); item != ConlluReader::Item::kEnd; item = reader.next()) {
    if (item == ConlluReader::Item::kSentenceEnd) {
      all.numbers.push_back(kSentenceEnd);
      all.classes.push_back(kEndClass);
      all.sentence_ends.push_back(all.numbers.size());
      continue;
    }
    const auto [entry, fresh] = number_of.try_emplace(reader.form(), static_cast<std::uint32_t>(all.words.size()));
    if (fresh) all.words.push_back(reader.form());
    all.numbers.push_back(entry->second);
    all.classes.push_back(reader.word_class());
  }
  return all;
}

}  // namespace

ConlluSource::Tokens ConlluSource::read(std::string_view text, const std::string& path, double val_fraction,
                                        std::size_t max_vocab, MemoryResource* resource) {
  check_utf8(text, path);
  const NumberedWords all = number_words(text, path);
  const std::size_t num_sentences = all.sentence_ends.size();
  if (num_sentences < 2) {
    throw Error(ErrorCode::kCorruptFile, concat(path, ": has ", num_sentences,
                                                " sentences, expected at least 2 (one to train on, one to validate)"));
  }
  if (num_validation(num_sentences, val_fraction) == num_sentences) {
    throw Error(ErrorCode::kInvalidArgument,
                concat(path, ": val_fraction ", val_fraction, " of ", num_sentences,
                       " sentences leaves none to train on, and words are numbered by those to train on"));
  }
  const std::size_t num_val =
      std::clamp<std::size_t>(num_validation(num_sentences, val_fraction), 1, num_sentences - 1);
  Tokens tokens(resource);
  tokens.num_train = all.sentence_ends[num_sentences - num_val - 1];

  std::vector<std::size_t> counts(all.words.size());
  for (std::size_t i = 0; i < tokens.num_train; ++i) ++counts[all.numbers[i]];
  std::vector<std::uint32_t> ranked;
  for (auto word = kNumSpecial; word < counts.size(); ++word) {
    if (counts[word] > 0) ranked.push_back(word);
  }
  std::sort(ranked.begin(), ranked.end(), [&](std::uint32_t a, std::uint32_t b) {
    return counts[a] != counts[b] ? counts[a] > counts[b] : all.words[a] < all.words[b];
  });
  ranked.resize(std::min(ranked.size(), max_vocab - kNumSpecial));

  std::vector<std::uint16_t> id_of(all.words.size(), std::uint16_t{kUnknown});
  id_of[kSentenceEnd] = std::uint16_t{kSentenceEnd};
  tokens.vocabulary.assign(std::begin(kSpecialTexts), std::end(kSpecialTexts));
  tokens.vocabulary.reserve(kNumSpecial + ranked.size());
  for (const std::uint32_t word : ranked) {
    id_of[word] = static_cast<std::uint16_t>(tokens.vocabulary.size());
    tokens.vocabulary.emplace_back(all.words[word]);
  }
  tokens.ids.reserve(all.numbers.size());
  for (const std::uint32_t word : all.numbers) tokens.ids.push_back(id_of[word]);
  tokens.classes.assign(all.classes.begin(), all.classes.end());
  return tokens;
}

ConlluSource::ConlluSource(SourceIdentity identity, Tokens tokens)
    : WindowedSource(std::move(identity), tokens.ids.size(), tokens.num_train),
      tokens_(std::move(tokens)),
      ids_by_word_(tokens_.vocabulary.size()) {
  std::iota(ids_by_word_.begin(), ids_by_word_.end(), std::uint16_t{0});
  std::sort(ids_by_word_.begin(), ids_by_word_.end(),
            [&](std::uint16_t a, std::uint16_t b) { return tokens_.vocabulary[a] < tokens_.vocabulary[b]; });
}

std::string ConlluSource::token_text(std::int32_t token) const {
  require(token >= 0 && static_cast<std::size_t>(token) < vocab_size(), "token_source.token_text: token is ", token,
          ", expected 0 to ", vocab_size() - 1);
  return tokens_.vocabulary[static_cast<std::size_t>(token)];
}

std::vector<std::int32_t> ConlluSource::encode(const std::string& text) const {
  std::vector<std::int32_t> tokens;
  for (const std::string_view word : split_words(text)) {
    const auto found =
        std::lower_bound(ids_by_word_.begin(), ids_by_word_.end(), word,
                         [&](std::uint16_t id, std::string_view wanted) { return tokens_.vocabulary[id] < wanted; });
    const bool known = found != ids_by_word_.end() && tokens_.vocabulary[*found] == word;
    tokens.push_back(known ? *found : std::int32_t{kUnknown});
  }
  return tokens;
}

const std::vector<std::string>& ConlluSource::class_names() const { return conllu_class_names(); }

std::size_t ConlluSource::memory_bytes() const {
  std::size_t bytes = tokens_.ids.capacity() * sizeof(std::uint16_t) + tokens_.classes.capacity() +
                      tokens_.vocabulary.capacity() * sizeof(std::string) +
                      ids_by_word_.capacity() * sizeof(std::uint16_t);
  const std::size_t inside = std::string().capacity();
  for (const std::string& word : tokens_.vocabulary) bytes += word.capacity() > inside ? word.capacity() + 1 : 0;
  return bytes;
}

void ConlluSource::copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const {
  std::copy_n(tokens_.ids.begin() + static_cast<std::ptrdiff_t>(begin), tokens.size(), tokens.begin());
  std::copy_n(tokens_.classes.begin() + static_cast<std::ptrdiff_t>(begin), classes.size(), classes.begin());
}

}  // namespace minimoe
