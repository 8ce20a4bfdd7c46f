// SPDX-License-Identifier: Apache-2.0
#include "data/file/token_file_source.hpp"

#include <algorithm>
#include <utility>

#include "data/id_text.hpp"

namespace minimoe {
namespace {

constexpr std::size_t kMaxVocab = std::size_t{1} << 20;  // that of a model

}  // namespace

TokenFileSource::TokenFileSource(const std::string& path, FileContent content, const TokenLayout& layout,
                                 double val_fraction, std::size_t vocab_size)
    : WindowedSource({path, content.sha256}, layout.num_tokens,
                     layout.num_tokens - num_validation(layout.num_tokens, val_fraction)),
      content_(std::move(content)),
      layout_(layout),
      vocab_size_(vocab_size) {
  const std::size_t allowed = vocab_size == 0 ? kMaxVocab : vocab_size;
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < layout_.num_tokens; ++i) {
    const std::uint32_t token = token_at(i);
    largest = std::max(largest, token);
    if (token >= allowed) {
      throw Error(ErrorCode::kCorruptFile,
                  concat(path, ": token ", i, " (from 0) at offset ", layout_.offset + i * layout_.width, " is ", token,
                         ", expected below ", allowed, vocab_size == 0 ? "" : " (vocab_size)"));
    }
  }
  if (vocab_size == 0) vocab_size_ = std::size_t{largest} + 1;
}

std::uint32_t TokenFileSource::token_at(std::size_t index) const {
  const char* bytes = content_.bytes.get() + layout_.offset + index * layout_.width;
  const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(bytes[i])}; };
  const std::uint32_t low = byte(0) | byte(1) << 8;
  return layout_.width == 2 ? low : low | byte(2) << 16 | byte(3) << 24;
}

std::string TokenFileSource::token_text(std::int32_t token) const { return id_text(token, vocab_size_); }

std::vector<std::int32_t> TokenFileSource::encode(const std::string& text) const {
  return read_ids(text, vocab_size_, name());
}

void TokenFileSource::copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const {
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::int32_t>(token_at(begin + i));
  std::fill(classes.begin(), classes.end(), std::uint8_t{0});
}

}  // namespace minimoe
