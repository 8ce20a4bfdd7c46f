// SPDX-License-Identifier: Apache-2.0
#include "data/file/bpe_source.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/sha256.hpp"
#include "core/strict_json.hpp"
#include "data/bpe/tokenizer_json.hpp"
#include "data/file/conllu_reader.hpp"
#include "data/file/read_file.hpp"
#include "data/file/utf8.hpp"

namespace minimoe {

BpeSource::Tokens::Tokens(BpeTokenizer with, std::string_view train_text, std::string_view val_text,
                          MemoryResource* resource)
    : tokenizer(std::move(with)), ids(resource) {
  const std::vector<std::uint16_t> train = tokenizer.encode(train_text), val = tokenizer.encode(val_text);
  num_train = train.size();
  ids.reserve(train.size() + val.size());
  ids.insert(ids.end(), train.begin(), train.end());
  ids.insert(ids.end(), val.begin(), val.end());
}

namespace {

BpeSource::Tokens tokens_of(std::string_view train_text, std::string_view val_text, const TokenizerChoice& choice,
                            MemoryResource* resource) {
  if (choice.path.empty()) return {train_bpe(train_text, choice.bpe_vocab), train_text, val_text, resource};
  const FileContent file = read_file(choice.path, resource, kMaxTokenizerBytes);
  return {read_tokenizer_json(file.view(), choice.path), train_text, val_text, resource};
}

SourceIdentity with_vocabulary(SourceIdentity identity, const BpeTokenizer& tokenizer) {
  Sha256 sha256;
  sha256.update(identity.sha256);
  sha256.update(minimoe::tokenizer_json(tokenizer));
  identity.sha256 = sha256.hex();
  return identity;
}

}  // namespace

BpeSource::BpeSource(SourceIdentity identity, Tokens tokens)
    : WindowedSource(with_vocabulary(std::move(identity), tokens.tokenizer), tokens.ids.size(), tokens.num_train),
      tokens_(std::move(tokens)) {}

const std::string& BpeSource::bytes_of(const char* where, std::int32_t token) const {
  require(token >= 0 && static_cast<std::size_t>(token) < vocab_size(), where, ": token is ", token, ", expected 0 to ",
          vocab_size() - 1);
  return tokens_.tokenizer.tokens()[static_cast<std::size_t>(token)];
}

std::string BpeSource::token_text(std::int32_t token) const {
  const std::string_view bytes = bytes_of("token_source.token_text", token);
  std::string text;
  for (std::size_t i = 0; i < bytes.size();) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    const std::size_t size = byte >= 0x80 ? utf8_sequence_length(bytes.substr(i)) : byte >= ' ' && byte <= '~' ? 1 : 0;
    if (size > 0) {
      text += bytes.substr(i, size);
    } else if (byte == '\n' || byte == '\t') {
      text += byte == '\n' ? "\\n" : "\\t";
    } else {
      text += {'\\', 'x', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    }
    i += std::max<std::size_t>(size, 1);
  }
  return text;
}

std::vector<std::int32_t> BpeSource::encode(const std::string& text) const {
  const std::vector<std::uint16_t> ids = tokens_.tokenizer.encode(text);
  return {ids.begin(), ids.end()};
}

std::string BpeSource::decode(std::span<const std::int32_t> tokens) const {
  std::string text;
  for (const std::int32_t token : tokens) text += bytes_of("token_source.decode", token);
  return text;
}

std::string BpeSource::tokenizer_json() const { return minimoe::tokenizer_json(tokens_.tokenizer); }

const std::vector<std::string>& BpeSource::class_names() const {
  return tokens_.classes.empty() ? WindowedSource::class_names() : conllu_class_names();
}

std::size_t BpeSource::memory_bytes() const {
  return tokens_.ids.capacity() * sizeof(std::uint16_t) + tokens_.classes.capacity() + tokens_.tokenizer.memory_bytes();
}

void BpeSource::copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const {
  std::copy_n(tokens_.ids.begin() + static_cast<std::ptrdiff_t>(begin), tokens.size(), tokens.begin());
  if (tokens_.classes.empty()) {
    std::fill(classes.begin(), classes.end(), std::uint8_t{0});
  } else {
    std::copy_n(tokens_.classes.begin() + static_cast<std::ptrdiff_t>(begin), classes.size(), classes.begin());
  }
}

TokenizerChoice tokenizer_choice(const std::string& tokenizer) {
  constexpr std::string_view kBpe = "bpe:";
  if (tokenizer == "auto") return {};
  if (!tokenizer.empty() && !tokenizer.starts_with(kBpe)) return {0, tokenizer};
  TokenizerChoice choice;
  const char* const end = tokenizer.data() + tokenizer.size();
  const auto [rest, error] =
      std::from_chars(tokenizer.data() + std::min(kBpe.size(), tokenizer.size()), end, choice.bpe_vocab);
  require(error == std::errc() && rest == end && choice.bpe_vocab >= BpeTokenizer::kMinVocab &&
              choice.bpe_vocab <= BpeTokenizer::kMaxVocab,
          "tokenizer: ", in_quotes(tokenizer), ", allowed auto, bpe:", BpeTokenizer::kMinVocab,
          " to bpe:", BpeTokenizer::kMaxVocab, " or the path of a tokenizer.json");
  return choice;
}

BpeSource::Tokens bpe_tokens(std::string_view text, double val_fraction, const TokenizerChoice& choice,
                             MemoryResource* resource) {
  std::size_t num_train = text.size() - num_validation(text.size(), val_fraction);
  const auto is_inside = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80; };
  while (num_train > 0 && num_train < text.size() && is_inside(num_train)) --num_train;
  return tokens_of(text.substr(0, num_train), text.substr(num_train), choice, resource);
}

BpeSource::Tokens bpe_tokens(const ConlluText& text, double val_fraction, const TokenizerChoice& choice,
                             MemoryResource* resource) {
  const std::size_t num_sentences = text.sentence_ends.size();
  const std::size_t num_train_sentences = num_sentences - num_validation(num_sentences, val_fraction);
  const std::size_t num_train = num_train_sentences > 0 ? text.sentence_ends[num_train_sentences - 1] : 0;
  const std::string_view all = text.text;
  BpeSource::Tokens tokens = tokens_of(all.substr(0, num_train), all.substr(num_train), choice, resource);
  std::vector<std::string_view> parts;
  parts.reserve(tokens.ids.size());
  for (const std::uint16_t id : tokens.ids) parts.push_back(tokens.tokenizer.tokens()[id]);
  tokens.classes = spread_classes(text, parts);
  return tokens;
}

}  // namespace minimoe
