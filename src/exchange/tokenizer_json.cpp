// SPDX-License-Identifier: Apache-2.0
#include "minimoe/exchange/tokenizer_json.hpp"

#include <cstdint>

#include "core/json_writer.hpp"
#include "data/bpe/tokenizer_json.hpp"
#include "data/file/conllu_source.hpp"
#include "data/file/text_source.hpp"
#include "minimoe/data/grammar_corpus.hpp"

namespace minimoe {
namespace {

/// A vocabulary of the bytes alone: without merges each is a token, however BPE splits the text before.
std::string byte_tokenizer() {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
  return tokenizer_json(BpeTokenizer(std::move(bytes), {}));
}

std::string split_at(const char* regex, const char* behavior) {
  return concat(R"({"type":"Split","pattern":{"Regex":)", json_of(regex), R"(},"behavior":")", behavior,
                R"(","invert":false})");
}

template <class Word>
std::string word_tokenizer(std::size_t count, const Word& word, const std::string& splits) {
  JsonWriter vocab;
  vocab.begin('{');
  for (std::size_t id = 0; id < count; ++id) vocab.member(word(static_cast<std::int32_t>(id)), id);
  return concat(R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,)",
                R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[)", splits, "]},",
                R"("post_processor":null,"decoder":null,"model":{"type":"WordLevel","vocab":)", vocab.end('}').text(),
                R"(,"unk_token":"<unk>"}})");
}

}  // namespace

std::string tokenizer_json(const TokenSource& source) {
  if (std::string own = source.tokenizer_json(); !own.empty()) return own;
  if (dynamic_cast<const TextSource*>(&source)) return byte_tokenizer();
  const auto word = [&](std::int32_t id) { return source.decode(std::span(&id, 1)); };
  if (dynamic_cast<const ConlluSource*>(&source)) {
    return word_tokenizer(
        source.vocab_size(), [&](std::int32_t id) { return source.token_text(id); },
        split_at("[ \\t\\r\\n]+", "Removed"));
  }
  if (dynamic_cast<const GrammarCorpus*>(&source)) {
    // A line feed is the token that ends a sentence.
    return word_tokenizer(source.vocab_size(), word,
                          split_at("[ \\t\\r]+", "Removed") + "," + split_at("\\n|[.,?:()\xc2\xbf]", "Isolated"));
  }
  throw Error(ErrorCode::kUnsupported, concat("tokenizer_json: ", source.name(), " is tokens without a text"));
}

}  // namespace minimoe
