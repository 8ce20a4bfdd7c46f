// SPDX-License-Identifier: Apache-2.0
// Files of token ids, nanoGPT's and llm.c's: the vocabulary is elsewhere.
#pragma once

#include "data/file/read_file.hpp"
#include "data/file/token_layout.hpp"
#include "minimoe/data/windowed_source.hpp"

namespace minimoe {

/// The text of a token is its id in decimal; texts are ids separated by white space.
class TokenFileSource final : public WindowedSource {
 public:
  /// @param vocab_size  ids must be below it; 0: largest id + 1. @throws Error(kCorruptFile) naming the first id that
  ///                    is too large.
  TokenFileSource(const std::string& path, FileContent content, const TokenLayout& layout, double val_fraction,
                  std::size_t vocab_size);

  std::size_t vocab_size() const override { return vocab_size_; }
  std::string token_text(std::int32_t token) const override;
  std::vector<std::int32_t> encode(const std::string& text) const override;
  std::size_t memory_bytes() const override { return content_.capacity; }

 private:
  void copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const override;
  std::uint32_t token_at(std::size_t index) const;

  FileContent content_;
  TokenLayout layout_;
  std::size_t vocab_size_;
};

}  // namespace minimoe
