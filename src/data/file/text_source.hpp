// SPDX-License-Identifier: Apache-2.0
// UTF-8 text, one token a byte.
#pragma once

#include "data/file/read_file.hpp"
#include "minimoe/data/windowed_source.hpp"

namespace minimoe {

class TextSource final : public WindowedSource {
 public:
  TextSource(const std::string& path, FileContent content, double val_fraction);

  std::size_t vocab_size() const override { return 256; }
  /// Printable ASCII as it is, anything else as \n, \t or \xNN.
  std::string token_text(std::int32_t token) const override;
  std::vector<std::int32_t> encode(const std::string& text) const override;
  std::string decode(std::span<const std::int32_t> tokens) const override;
  std::size_t memory_bytes() const override { return content_.capacity; }

 private:
  void copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const override;

  FileContent content_;
};

}  // namespace minimoe
