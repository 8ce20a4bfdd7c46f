// SPDX-License-Identifier: Apache-2.0
#include "data/file/token_file_source.hpp"

#include <algorithm>
#include <utility>

#include "data/id_text.hpp"

namespace minimoe {
namespace {

std::size_t num_tokens_in(const std::string& path, std::size_t size) {
  if (size % 2 != 0) {
    throw Error(ErrorCode::kCorruptFile,
                concat(path, ": has ", size, " bytes, expected an even number (uint16 tokens)"));
  }
  return size / 2;
}

}  // namespace

TokenFileSource::TokenFileSource(const std::string& path, FileContent content, double val_fraction,
                                 std::size_t vocab_size)
    : WindowedSource({path, content.sha256}, num_tokens_in(path, content.size),
                     content.size / 2 - num_validation(content.size / 2, val_fraction)),
      content_(std::move(content)),
      vocab_size_(vocab_size) {
  const std::size_t num_tokens = content_.size / 2;
  std::int32_t largest = 0;
  for (std::size_t i = 0; i < num_tokens; ++i) {
    const std::int32_t token = token_at(i);
    largest = std::max(largest, token);
    if (vocab_size != 0 && static_cast<std::size_t>(token) >= vocab_size) {
      throw Error(ErrorCode::kCorruptFile, concat(path, ": token ", i, " (from 0) is ", token, ", expected below ",
                                                  vocab_size, " (vocab_size)"));
    }
  }
  if (vocab_size == 0) vocab_size_ = static_cast<std::size_t>(largest) + 1;
}

std::int32_t TokenFileSource::token_at(std::size_t index) const {
  const char* bytes = content_.bytes.get() + 2 * index;
  return static_cast<unsigned char>(bytes[0]) | static_cast<unsigned char>(bytes[1]) << 8;
}

std::string TokenFileSource::token_text(std::int32_t token) const { return id_text(token, vocab_size_); }

std::vector<std::int32_t> TokenFileSource::encode(const std::string& text) const {
  return read_ids(text, vocab_size_, name());
}

void TokenFileSource::copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const {
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = token_at(begin + i);
  std::fill(classes.begin(), classes.end(), std::uint8_t{0});
}

}  // namespace minimoe
