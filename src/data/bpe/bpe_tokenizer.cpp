// SPDX-License-Identifier: Apache-2.0
#include "data/bpe/bpe_tokenizer.hpp"

#include <queue>
#include <utility>

#include "data/bpe/gpt2_split.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

std::uint64_t pair_key(std::uint32_t left, std::uint32_t right) { return std::uint64_t{left} << 32 | right; }

// A token of a piece and its living neighbours; -1: none.
struct Link {
  std::uint32_t id;
  std::int64_t before, after;
  bool dead = false;
};

struct Candidate {
  std::uint32_t rank, left, right, result;
  std::size_t at;
  bool operator<(const Candidate& other) const {  // the queue's top is the largest
    return rank != other.rank ? rank > other.rank : at > other.at;
  }
};

}  // namespace

BpeTokenizer::BpeTokenizer(std::vector<std::string> tokens, std::vector<BpeMerge> merges)
    : tokens_(std::move(tokens)), merges_(std::move(merges)) {
  require(tokens_.size() >= kMinVocab && tokens_.size() <= kMaxVocab, "bpe_tokenizer: ", tokens_.size(),
          " tokens, allowed ", kMinVocab, " to ", kMaxVocab);
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    if (tokens_[id].size() == 1)
      id_of_byte_[static_cast<unsigned char>(tokens_[id][0])] = static_cast<std::uint16_t>(id);
  }
  by_pair_.reserve(merges_.size());
  for (std::size_t rank = 0; rank < merges_.size(); ++rank) {
    const BpeMerge& merge = merges_[rank];
    // The last of equal ones counts, as in the tokenizers library.
    by_pair_[pair_key(merge.left, merge.right)] = {static_cast<std::uint32_t>(rank), merge.result};
  }
}

std::vector<std::uint16_t> BpeTokenizer::encode(std::string_view text) const {
  std::vector<std::uint16_t> ids;
  std::unordered_map<std::string_view, std::pair<std::size_t, std::size_t>> known;  // where the ids of a piece lie
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, gpt2_piece(text));
    text.remove_prefix(piece.size());
    const auto [found, fresh] = known.try_emplace(piece, ids.size(), 0);
    if (fresh) {
      encode_piece(piece, ids);
      found->second.second = ids.size() - found->second.first;
      continue;
    }
    for (std::size_t i = 0; i < found->second.second; ++i) ids.push_back(ids[found->second.first + i]);
  }
  return ids;
}

void BpeTokenizer::encode_piece(std::string_view piece, std::vector<std::uint16_t>& ids) const {
  std::vector<Link> links;
  links.reserve(piece.size());
  for (const char byte : piece) {
    const auto at = static_cast<std::int64_t>(links.size());
    links.push_back({id_of_byte_[static_cast<unsigned char>(byte)], at - 1, at + 1});
  }
  links.back().after = -1;
  std::priority_queue<Candidate> queue;
  const auto offer = [&](std::int64_t at) {
    if (at < 0 || links[static_cast<std::size_t>(at)].after < 0) return;
    const Link& left = links[static_cast<std::size_t>(at)];
    const std::uint32_t right = links[static_cast<std::size_t>(left.after)].id;
    const auto found = by_pair_.find(pair_key(left.id, right));
    if (found == by_pair_.end()) return;
    queue.push({found->second.rank, left.id, right, found->second.result, static_cast<std::size_t>(at)});
  };
  for (std::size_t at = 0; at < links.size(); ++at) offer(static_cast<std::int64_t>(at));
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Link& left = links[best.at];
    if (left.dead || left.id != best.left || left.after < 0) continue;
    Link& right = links[static_cast<std::size_t>(left.after)];
    if (right.id != best.right) continue;
    left.id = best.result;
    left.after = right.after;
    right.dead = true;
    if (left.after >= 0) links[static_cast<std::size_t>(left.after)].before = static_cast<std::int64_t>(best.at);
    offer(left.before);
    offer(static_cast<std::int64_t>(best.at));
  }
  for (const Link& link : links) {
    if (!link.dead) ids.push_back(static_cast<std::uint16_t>(link.id));
  }
}

std::size_t BpeTokenizer::memory_bytes() const {
  std::size_t bytes = tokens_.capacity() * sizeof(std::string) + merges_.capacity() * sizeof(BpeMerge) +
                      by_pair_.size() * (sizeof(std::pair<std::uint64_t, Found>) + 2 * sizeof(void*));
  for (const std::string& token : tokens_) bytes += token.capacity() > 15 ? token.capacity() + 1 : 0;
  return bytes;
}

}  // namespace minimoe
