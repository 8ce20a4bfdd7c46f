// SPDX-License-Identifier: Apache-2.0
// A CoNLL-U treebank, one token a word, with the most frequent words as vocabulary.
#pragma once

#include "minimoe/core/tensor.hpp"
#include "minimoe/data/windowed_source.hpp"

namespace minimoe {

/// Token 0 is <unk>, token 1 is <eos> (the end of each sentence); then the words, as they are written, of the training
/// sentences, most frequent first, equally frequent ones in byte order. The last num_validation(sentences) sentences
/// are the validation part (at least one, and not all: the vocabulary is that of the others). Texts are words separated
/// by white space; a word outside the vocabulary is <unk>.
class ConlluSource final : public WindowedSource {
 public:
  /// What reading a treebank gives, and what the source keeps of it.
  struct Tokens {
    explicit Tokens(MemoryResource* resource) : ids(resource), classes(resource) {}

    std::vector<std::string> vocabulary;  ///< text of each token
    std::vector<std::uint16_t, AlignedAllocator<std::uint16_t>> ids;
    std::vector<std::uint8_t, AlignedAllocator<std::uint8_t>> classes;
    std::size_t num_train = 0;  ///< tokens of the training sentences
  };
  /// @throws Error(kCorruptFile) with the line, also for fewer than two sentences.
  static Tokens read(std::string_view text, const std::string& path, double val_fraction, std::size_t max_vocab,
                     MemoryResource* resource = nullptr);

  ConlluSource(SourceIdentity identity, Tokens tokens);

  std::size_t vocab_size() const override { return tokens_.vocabulary.size(); }
  std::string token_text(std::int32_t token) const override;
  std::vector<std::int32_t> encode(const std::string& text) const override;
  const std::vector<std::string>& class_names() const override;
  std::size_t memory_bytes() const override;

 private:
  void copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const override;

  Tokens tokens_;
  std::vector<std::uint16_t> ids_by_word_;  // token ids in byte order of their words, for encode
};

}  // namespace minimoe
