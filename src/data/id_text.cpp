// SPDX-License-Identifier: Apache-2.0
#include "data/id_text.hpp"

#include <charconv>

#include "data/file/words.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {

std::string id_text(std::int32_t token, std::size_t vocab_size) {
  require(token >= 0 && static_cast<std::size_t>(token) < vocab_size, "token_source.token_text: token is ", token,
          ", expected 0 to ", vocab_size - 1);
  return concat(token);
}

std::vector<std::int32_t> read_ids(const std::string& text, std::size_t vocab_size, const std::string& name) {
  std::vector<std::int32_t> tokens;
  for (const std::string_view word : split_words(text)) {
    std::int32_t token = -1;
    const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), token);
    const bool number = error == std::errc() && rest == word.data() + word.size();
    require(number && token >= 0 && static_cast<std::size_t>(token) < vocab_size, "token_source.encode: \"", word,
            "\" is no token of ", name, ", expected ids from 0 to ", vocab_size - 1, " separated by spaces");
    tokens.push_back(token);
  }
  return tokens;
}

}  // namespace minimoe
