// SPDX-License-Identifier: Apache-2.0
// nanoGPT's .bin: token ids as uint16 little-endian, no header, the vocabulary elsewhere.
#pragma once

#include "data/file/read_file.hpp"
#include "minimoe/data/windowed_source.hpp"

namespace minimoe {

/// The text of a token is its id in decimal; texts are ids separated by white space.
class TokenFileSource final : public WindowedSource {
 public:
  /// @param vocab_size  ids must be below it; 0: largest id + 1.
  TokenFileSource(const std::string& path, FileContent content, double val_fraction, std::size_t vocab_size);

  std::size_t vocab_size() const override { return vocab_size_; }
  std::string token_text(std::int32_t token) const override;
  std::vector<std::int32_t> encode(const std::string& text) const override;
  std::size_t memory_bytes() const override { return content_.capacity; }

 private:
  void copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const override;
  std::int32_t token_at(std::size_t index) const;

  FileContent content_;
  std::size_t vocab_size_;
};

}  // namespace minimoe
