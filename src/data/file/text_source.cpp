// SPDX-License-Identifier: Apache-2.0
#include "data/file/text_source.hpp"

#include <algorithm>
#include <utility>

#include "data/file/utf8.hpp"

namespace minimoe {

TextSource::TextSource(const std::string& path, FileContent content, double val_fraction)
    : WindowedSource({path, content.sha256}, content.size, content.size - num_validation(content.size, val_fraction)),
      content_(std::move(content)) {
  check_utf8(content_.view(), path);
}

std::string TextSource::token_text(std::int32_t token) const {
  require(token >= 0 && token < 256, "token_source.token_text: token is ", token, ", expected 0 to 255");
  if (token == '\n') return "\\n";
  if (token == '\t') return "\\t";
  if (token >= ' ' && token <= '~') return std::string(1, static_cast<char>(token));
  return {'\\', 'x', "0123456789abcdef"[token >> 4], "0123456789abcdef"[token & 15]};
}

std::vector<std::int32_t> TextSource::encode(const std::string& text) const {
  std::vector<std::int32_t> tokens(text.size());
  std::transform(text.begin(), text.end(), tokens.begin(), [](char c) { return static_cast<unsigned char>(c); });
  return tokens;
}

std::string TextSource::decode(std::span<const std::int32_t> tokens) const {
  std::string text;
  text.reserve(tokens.size());
  for (const std::int32_t token : tokens) {
    require(token >= 0 && token < 256, "token_source.decode: token is ", token, ", expected 0 to 255");
    text += static_cast<char>(token);
  }
  return text;
}

void TextSource::copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const {
  const char* bytes = content_.bytes.get() + begin;
  std::transform(bytes, bytes + tokens.size(), tokens.begin(), [](char c) { return static_cast<unsigned char>(c); });
  std::fill(classes.begin(), classes.end(), std::uint8_t{0});
}

}  // namespace minimoe
