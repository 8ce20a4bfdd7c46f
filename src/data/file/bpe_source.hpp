// SPDX-License-Identifier: Apache-2.0
// UTF-8 text, one token a string of bytes of a BPE vocabulary.
#pragma once

#include "data/bpe/bpe_tokenizer.hpp"
#include "data/file/conllu_text.hpp"
#include "minimoe/core/tensor.hpp"
#include "minimoe/data/windowed_source.hpp"

namespace minimoe {

class BpeSource final : public WindowedSource {
 public:
  /// Both parts are encoded by themselves, so no token is of both.
  struct Tokens {
    Tokens(BpeTokenizer tokenizer, std::string_view train_text, std::string_view val_text, MemoryResource* resource);

    BpeTokenizer tokenizer;
    std::vector<std::uint16_t, AlignedAllocator<std::uint16_t>> ids;
    std::vector<std::uint8_t> classes;  ///< of each token of a treebank, by conllu_class_names(); empty: there are none
    std::size_t num_train = 0;
  };

  /// @param identity  of the file. sha256() is over its hash in hex digits and then tokenizer_json(): the same text is
  /// other data with another vocabulary.
  BpeSource(SourceIdentity identity, Tokens tokens);

  std::size_t vocab_size() const override { return tokens_.tokenizer.vocab_size(); }
  /// Printable ASCII and UTF-8 above it as they are, other bytes as \n, \t or \xNN.
  std::string token_text(std::int32_t token) const override;
  std::vector<std::int32_t> encode(const std::string& text) const override;
  std::string decode(std::span<const std::int32_t> tokens) const override;
  std::string tokenizer_json() const override;
  const std::vector<std::string>& class_names() const override;
  std::size_t memory_bytes() const override;

 private:
  void copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const override;
  const std::string& bytes_of(const char* where, std::int32_t token) const;

  Tokens tokens_;
};

/// What FileSourceOptions::tokenizer says of text.
struct TokenizerChoice {
  std::size_t bpe_vocab = 0;  ///< tokens of a vocabulary that is to be trained; 0: none
  std::string path;           ///< of a tokenizer.json; empty: none
};
/// @throws Error(kInvalidArgument) for bpe: without a number in the range, and for nothing.
TokenizerChoice tokenizer_choice(const std::string& tokenizer);

/// The tokens of `text` (UTF-8), the last val_fraction of whose bytes, from a character on, are for validation. A
/// vocabulary is trained on the bytes before these. @throws Error.
BpeSource::Tokens bpe_tokens(std::string_view text, double val_fraction, const TokenizerChoice& choice,
                             MemoryResource* resource);
/// Those of a treebank's text, each with the class of its word; the last val_fraction of its sentences are for
/// validation.
BpeSource::Tokens bpe_tokens(const ConlluText& text, double val_fraction, const TokenizerChoice& choice,
                             MemoryResource* resource);

}  // namespace minimoe
