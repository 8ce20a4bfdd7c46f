// SPDX-License-Identifier: Apache-2.0
// Pairs are taken by their counts, of equal ones the smaller ids first; a count that has fallen since it was queued is
// brought up to date when its turn comes. The PyPI package tokenizers behaves so, too: both find the same merges.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "data/bpe/bpe_tokenizer.hpp"
#include "data/bpe/byte_characters.hpp"
#include "data/bpe/gpt2_split.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

using Pair = std::pair<std::uint32_t, std::uint32_t>;

struct PairHash {
  std::size_t operator()(const Pair& pair) const {
    return (std::uint64_t{pair.first} << 32 | pair.second) * 0x9E3779B97F4A7C15u >> 16;
  }
};

// A distinct piece of the text.
struct Piece {
  std::vector<std::uint32_t> ids;
  std::int64_t count = 0;
};

// A pair that waits to be merged, with the pieces in which it was seen.
struct Waiting {
  std::uint64_t count;
  Pair pair;
  std::vector<std::size_t> pieces;
  bool operator<(const Waiting& other) const {  // the heap's front is the largest
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class Training {
 public:
  explicit Training(std::string_view text);
  BpeTokenizer run(std::size_t vocab_size);

 private:
  void change(const Pair& pair, std::int64_t by, std::size_t piece);
  void enqueue_seen();
  void enqueue(Waiting waiting);
  Waiting dequeue();
  std::uint32_t token_of(const Pair& pair);
  void merge_in_piece(const Pair& pair, std::uint32_t result, std::size_t index);

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::uint32_t> id_of_;
  std::vector<Piece> pieces_;
  std::unordered_map<Pair, std::int64_t, PairHash> counts_;
  std::unordered_map<Pair, std::vector<std::size_t>, PairHash>
      seen_;                    // pairs that came about since the last enqueue_seen
  std::vector<Waiting> queue_;  // a heap, whose elements can be moved out, other than a priority_queue's
};

Training::Training(std::string_view text) {
  std::array<std::uint32_t, 256> id_of_byte = {};
  for (const unsigned char byte : bytes_by_character()) {
    id_of_byte[byte] = static_cast<std::uint32_t>(tokens_.size());
    tokens_.emplace_back(1, static_cast<char>(byte));
    id_of_.emplace(tokens_.back(), id_of_byte[byte]);
  }
  std::unordered_map<std::string_view, std::size_t> index_of;
  while (!text.empty()) {
    const std::string_view bytes = text.substr(0, gpt2_piece(text));
    text.remove_prefix(bytes.size());
    const auto [found, fresh] = index_of.try_emplace(bytes, pieces_.size());
    if (fresh) {
      pieces_.emplace_back().ids.reserve(bytes.size());
      for (const char byte : bytes) pieces_.back().ids.push_back(id_of_byte[static_cast<unsigned char>(byte)]);
    }
    ++pieces_[found->second].count;
  }
  for (std::size_t p = 0; p < pieces_.size(); ++p) {
    const std::vector<std::uint32_t>& ids = pieces_[p].ids;
    for (std::size_t i = 1; i < ids.size(); ++i) change({ids[i - 1], ids[i]}, 1, p);
  }
  enqueue_seen();
}

void Training::change(const Pair& pair, std::int64_t by, std::size_t piece) {
  counts_[pair] += by * pieces_[piece].count;
  if (by < 0) return;
  std::vector<std::size_t>& pieces = seen_[pair];
  if (pieces.empty() || pieces.back() != piece) pieces.push_back(piece);
}

void Training::enqueue_seen() {
  for (auto& [pair, pieces] : seen_) {
    const std::int64_t count = counts_[pair];
    if (count > 0) enqueue({static_cast<std::uint64_t>(count), pair, std::move(pieces)});
  }
  seen_.clear();
}

void Training::enqueue(Waiting waiting) {
  queue_.push_back(std::move(waiting));
  std::push_heap(queue_.begin(), queue_.end());
}

Waiting Training::dequeue() {
  std::pop_heap(queue_.begin(), queue_.end());
  Waiting waiting = std::move(queue_.back());
  queue_.pop_back();
  return waiting;
}

std::uint32_t Training::token_of(const Pair& pair) {
  const std::string bytes = tokens_[pair.first] + tokens_[pair.second];
  const auto [found, fresh] = id_of_.try_emplace(bytes, static_cast<std::uint32_t>(tokens_.size()));
  if (fresh) tokens_.push_back(bytes);
  return found->second;
}

void Training::merge_in_piece(const Pair& pair, std::uint32_t result, std::size_t index) {
  std::vector<std::uint32_t>& ids = pieces_[index].ids;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] != pair.first || i + 1 == ids.size() || ids[i + 1] != pair.second) {
      ids[kept++] = ids[i];
      continue;
    }
    if (kept > 0) {
      change({ids[kept - 1], pair.first}, -1, index);
      change({ids[kept - 1], result}, 1, index);
    }
    ++i;
    if (i + 1 < ids.size()) {
      change({pair.second, ids[i + 1]}, -1, index);
      change({result, ids[i + 1]}, 1, index);
    }
    ids[kept++] = result;
  }
  ids.resize(kept);
}

BpeTokenizer Training::run(std::size_t vocab_size) {
  std::vector<BpeMerge> merges;
  while (tokens_.size() < vocab_size && !queue_.empty()) {
    Waiting top = dequeue();
    const auto count = static_cast<std::uint64_t>(counts_[top.pair]);
    if (top.count != count) {  // it was counted before other merges took from it
      top.count = count;
      enqueue(std::move(top));
      continue;
    }
    if (count < 1) break;
    const std::uint32_t result = token_of(top.pair);
    merges.push_back({top.pair.first, top.pair.second, result});
    for (const std::size_t piece : top.pieces) merge_in_piece(top.pair, result, piece);
    enqueue_seen();
  }
  return {std::move(tokens_), std::move(merges)};
}

}  // namespace

BpeTokenizer train_bpe(std::string_view text, std::size_t vocab_size) {
  require(vocab_size >= BpeTokenizer::kMinVocab && vocab_size <= BpeTokenizer::kMaxVocab, "train_bpe: vocab_size is ",
          vocab_size, ", allowed ", BpeTokenizer::kMinVocab, " to ", BpeTokenizer::kMaxVocab);
  return Training(text).run(vocab_size);
}

}  // namespace minimoe
