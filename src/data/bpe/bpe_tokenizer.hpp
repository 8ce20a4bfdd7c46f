// SPDX-License-Identifier: Apache-2.0
// Byte-level byte-pair encoding with GPT-2's splitting.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace minimoe {

/// Tokens `left` and `right`, side by side in a piece of text, become `result`.
struct BpeMerge {
  std::uint32_t left = 0, right = 0, result = 0;
  bool operator==(const BpeMerge&) const = default;
};

class BpeTokenizer {
 public:
  static constexpr std::size_t kMinVocab = 256;    ///< the bytes
  static constexpr std::size_t kMaxVocab = 65536;  ///< ids are kept as uint16

  /// @param tokens  the bytes of each id, different from each other, all single bytes among them; at most kMaxVocab
  /// @param merges  most urgent first, of ids below tokens.size(), each result being left and right put together
  BpeTokenizer(std::vector<std::string> tokens, std::vector<BpeMerge> merges);

  std::size_t vocab_size() const { return tokens_.size(); }
  const std::vector<std::string>& tokens() const { return tokens_; }
  const std::vector<BpeMerge>& merges() const { return merges_; }

  /// Ids of any bytes at all.
  std::vector<std::uint16_t> encode(std::string_view text) const;
  std::size_t memory_bytes() const;

 private:
  struct Found {
    std::uint32_t rank, result;
  };
  void encode_piece(std::string_view piece, std::vector<std::uint16_t>& ids) const;

  std::vector<std::string> tokens_;
  std::vector<BpeMerge> merges_;
  std::array<std::uint16_t, 256> id_of_byte_ = {};
  std::unordered_map<std::uint64_t, Found> by_pair_;
};

/// Merges the most frequent pair of `text`'s pieces, of equally frequent ones that of the smaller ids, until there are
/// `vocab_size` tokens or no pair is left. Pairs that make a token anew get its id.
/// @param vocab_size  BpeTokenizer::kMinVocab to kMaxVocab
/// @see Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", arXiv:1508.07909.
BpeTokenizer train_bpe(std::string_view text, std::size_t vocab_size);

}  // namespace minimoe
