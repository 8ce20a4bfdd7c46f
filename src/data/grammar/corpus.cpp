// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "core/sha256.hpp"
#include "data/grammar/data_seed.hpp"
#include "data/grammar/drills.hpp"
#include "data/grammar/grammar.hpp"
#include "data/grammar/tokenizer.hpp"
#include "minimoe/core/random.hpp"
#include "minimoe/data/grammar_corpus.hpp"

namespace minimoe {
namespace {

using grammar::Grammar;
using grammar::Piece;
using grammar::Vocabulary;

constexpr std::uint64_t kSentencesOfWindow = std::uint64_t{1} << 20;
constexpr std::uint64_t kNumTrainSentences = std::uint64_t{1} << 60;
constexpr std::uint64_t kNumHashedSentences = 10'000;
constexpr std::array<Split, 3> kEvalSplits = {Split::kVal, Split::kHeldOutVerbs, Split::kHeldOutCombinations};

/// The sentences of an evaluation split, one after the other.
struct EvalText {
  std::vector<Piece> pieces;
  std::vector<std::uint64_t> begin;  ///< of each sentence, and the end of the last one
  std::vector<std::uint16_t> templates;
};

std::size_t eval_position(Split split) { return static_cast<std::size_t>(split) - 1; }

class Corpus : public GrammarCorpus {
 public:
  explicit Corpus(const GrammarCorpusOptions& options);

  std::size_t vocab_size() const override { return vocabulary_.words().size(); }
  std::string token_text(std::int32_t token) const override;
  std::vector<std::int32_t> encode(const std::string& text) const override {
    return grammar::encode_words(vocabulary_, text);
  }
  std::string decode(std::span<const std::int32_t> tokens) const override;
  const std::vector<std::string>& class_names() const override { return grammar::token_class_names(); }
  void train_window(std::uint64_t seed, std::uint64_t index, std::span<std::int32_t> tokens,
                    std::span<std::uint8_t> classes) const override;
  std::uint64_t num_eval_windows(Split split, std::size_t seq_len) const override;
  void eval_window(Split split, std::uint64_t index, std::span<std::int32_t> tokens,
                   std::span<std::uint8_t> classes) const override;
  std::optional<double> entropy_floor(Split split, std::size_t seq_len, std::uint64_t num_windows) const override;
  std::vector<Probe> probes(Split split, std::size_t max_count) const override;
  std::string sha256() const override;
  std::string name() const override { return "grammar"; }
  std::size_t memory_bytes() const override;
  GrammarSentence sentence(Split split, std::uint64_t index, std::uint64_t seed) const override;
  double log_probability(Split split, std::span<const std::int32_t> tokens) const override;

 private:
  const Grammar& grammar_of(Split split) const {
    return split == Split::kTrain || split == Split::kVal ? shown_ : held_out_[eval_position(split) - 1];
  }
  void check_token(const char* where, std::int32_t token) const;
  /// Calls visit(position of the first token) for the windows of a split until it returns false.
  template <class Visit>
  void for_each_window(Split split, std::size_t num_tokens, Visit&& visit) const;

  Vocabulary vocabulary_;
  Grammar shown_;
  std::array<Grammar, 2> held_out_;
  std::array<EvalText, 3> eval_;
};

Corpus::Corpus(const GrammarCorpusOptions& options) {
  require(options.english || options.spanish, "grammar corpus: no language chosen, expected english, spanish or both");
  require(options.num_eval_sentences > 0 && options.num_eval_sentences <= (std::uint64_t{1} << 32),
          "grammar corpus: num_eval_sentences is ", options.num_eval_sentences, ", expected 1..2^32");
  const auto fill = [&](Grammar& entry, unsigned targets) {
    if (options.english) grammar::add_english(entry, vocabulary_, targets, options.max_verbs);
    if (options.spanish) grammar::add_spanish(entry, vocabulary_, targets, options.max_verbs);
  };
  fill(shown_, grammar::kShown);
  fill(held_out_[0], grammar::kHeldOutVerb);
  fill(held_out_[1], grammar::kHeldOutCombination);

  std::vector<Piece> pieces;
  for (const Split split : kEvalSplits) {
    EvalText& text = eval_[eval_position(split)];
    const RandomStream stream(grammar::kDataSeed, concat("corpus.", split_name(split)));
    for (std::uint64_t i = 0; i < options.num_eval_sentences && !grammar_of(split).templates().empty(); ++i) {
      text.begin.push_back(text.pieces.size());
      text.templates.push_back(static_cast<std::uint16_t>(grammar_of(split).sample(stream, i, pieces)));
      text.pieces.insert(text.pieces.end(), pieces.begin(), pieces.end());
    }
    text.begin.push_back(text.pieces.size());
  }
}

void Corpus::check_token(const char* where, std::int32_t token) const {
  require(token >= 0 && static_cast<std::size_t>(token) < vocab_size(), "grammar corpus.", where, ": token ", token,
          " is outside the vocabulary of ", vocab_size());
}

std::string Corpus::token_text(std::int32_t token) const {
  check_token("token_text", token);
  return vocabulary_.words()[static_cast<std::size_t>(token)];
}

std::string Corpus::decode(std::span<const std::int32_t> tokens) const {
  for (const std::int32_t token : tokens) check_token("decode", token);
  return grammar::decode_words(vocabulary_, tokens);
}

void Corpus::train_window(std::uint64_t seed, std::uint64_t index, std::span<std::int32_t> tokens,
                          std::span<std::uint8_t> classes) const {
  require(classes.empty() || classes.size() == tokens.size(), "grammar corpus.train_window: ", classes.size(),
          " classes for ", tokens.size(), " tokens, expected none or as many");
  require(index < kNumTrainSentences / kSentencesOfWindow, "grammar corpus.train_window: window ", index,
          " is beyond 2^40 windows");
  const RandomStream stream(seed, "corpus.train");
  std::size_t filled = 0;
  const auto take = [&](std::span<const Piece> phrase) {
    for (std::size_t i = 0; i < phrase.size() && filled < tokens.size(); ++i, ++filled) {
      tokens[filled] = phrase[i].token;
      if (!classes.empty()) classes[filled] = static_cast<std::uint8_t>(phrase[i].token_class);
    }
  };
  for (std::uint64_t j = 0; filled < tokens.size(); ++j) {
    shown_.sample_phrases(stream, index * kSentencesOfWindow + j, take);
  }
}

template <class Visit>
void Corpus::for_each_window(Split split, std::size_t num_tokens, Visit&& visit) const {
  if (split == Split::kTrain || num_tokens == 0) return;
  const std::vector<std::uint64_t>& begin = eval_[eval_position(split)].begin;
  for (auto first = begin.begin(); *first + num_tokens <= begin.back();) {
    if (!visit(*first)) return;
    first = std::lower_bound(first, begin.end(), *first + num_tokens);
  }
}

std::uint64_t Corpus::num_eval_windows(Split split, std::size_t seq_len) const {
  std::uint64_t count = 0;
  for_each_window(split, seq_len + 1, [&](std::uint64_t) { return ++count, true; });
  return count;
}

void Corpus::eval_window(Split split, std::uint64_t index, std::span<std::int32_t> tokens,
                         std::span<std::uint8_t> classes) const {
  require(classes.empty() || classes.size() == tokens.size(), "grammar corpus.eval_window: ", classes.size(),
          " classes for ", tokens.size(), " tokens, expected none or as many");
  bool found = false;
  std::uint64_t at = 0;
  for_each_window(split, tokens.size(), [&](std::uint64_t begin) {
    if (at++ < index) return true;
    const Piece* pieces = eval_[eval_position(split)].pieces.data() + begin;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = pieces[i].token;
      if (!classes.empty()) classes[i] = static_cast<std::uint8_t>(pieces[i].token_class);
    }
    found = true;
    return false;
  });
  require(found, "grammar corpus.eval_window: window ", index, " of ", split_name(split), " is beyond its ", at,
          " windows of ", tokens.size(), " tokens");
}

std::optional<double> Corpus::entropy_floor(Split split, std::size_t seq_len, std::uint64_t num_windows) const {
  const std::uint64_t available =
      split == Split::kTrain ? std::numeric_limits<std::uint64_t>::max() : num_eval_windows(split, seq_len);
  require(seq_len > 0 && num_windows > 0 && num_windows <= available, "grammar corpus.entropy_floor: ", num_windows,
          " windows of ", seq_len, " tokens of ", split_name(split), ", which has ", available);
  std::vector<std::int32_t> tokens(seq_len + 1);
  double sum = 0;
  for (std::uint64_t w = 0; w < num_windows; ++w) {
    if (split == Split::kTrain) {
      train_window(grammar::kDataSeed, w, tokens, {});
    } else {
      eval_window(split, w, tokens, {});
    }
    grammar::Reader reader(grammar_of(split));
    reader.advance(static_cast<std::uint16_t>(tokens[0]));
    for (std::size_t i = 1; i <= seq_len; ++i) sum -= std::log(reader.advance(static_cast<std::uint16_t>(tokens[i])));
  }
  return sum / static_cast<double>(num_windows * seq_len);
}

std::vector<Probe> Corpus::probes(Split split, std::size_t max_count) const {
  if (split == Split::kTrain) return {};
  const EvalText& text = eval_[eval_position(split)];
  const std::int32_t mark = vocabulary_.find("->");
  std::map<std::string, std::vector<Probe>> by_kind;
  std::set<std::vector<std::int32_t>> seen;
  for (std::size_t s = 0; s + 1 < text.begin.size(); ++s) {
    const grammar::Template& entry = grammar_of(split).templates()[text.templates[s]];
    if (!entry.is_probe) continue;
    Probe probe;
    probe.kind = entry.kind;
    bool in_answer = false;
    for (std::uint64_t i = text.begin[s]; i < text.begin[s + 1]; ++i) {
      (in_answer ? probe.answer : probe.prompt).push_back(text.pieces[i].token);
      in_answer = in_answer || text.pieces[i].token == mark;
    }
    if (seen.insert(probe.prompt).second) by_kind[entry.kind].push_back(std::move(probe));
  }
  // Kinds take turns, so that a small set covers them all.
  std::vector<Probe> probes;
  for (std::size_t round = 0; probes.size() < std::min(max_count, seen.size()); ++round) {
    for (auto& [kind, list] : by_kind) {
      if (round < list.size() && probes.size() < max_count) probes.push_back(std::move(list[round]));
    }
  }
  return probes;
}

std::string Corpus::sha256() const {
  Sha256 hash;
  for (const std::string& word : vocabulary_.words()) hash.update(word + "\n");
  for (const std::string& class_name : class_names()) hash.update(class_name + "\n");
  const auto update = [&](std::span<const Piece> pieces) {
    std::string bytes;
    for (const Piece& piece : pieces) {
      bytes.push_back(static_cast<char>(piece.token & 0xff));
      bytes.push_back(static_cast<char>(piece.token >> 8));
      bytes.push_back(static_cast<char>(piece.token_class));
    }
    hash.update(bytes);
  };
  const RandomStream stream(0, "corpus.train");
  std::vector<Piece> pieces;
  for (std::uint64_t i = 0; i < kNumHashedSentences; ++i) {
    shown_.sample(stream, i, pieces);
    update(pieces);
  }
  for (const EvalText& text : eval_) update(text.pieces);
  return hash.hex();
}

std::size_t Corpus::memory_bytes() const {
  std::size_t bytes = sizeof(*this) + vocabulary_.memory_bytes() + shown_.memory_bytes();
  for (const Grammar& entry : held_out_) bytes += entry.memory_bytes();
  for (const EvalText& text : eval_) {
    bytes += text.pieces.capacity() * sizeof(Piece) + text.begin.capacity() * sizeof(std::uint64_t) +
             text.templates.capacity() * sizeof(std::uint16_t);
  }
  return bytes;
}

GrammarSentence Corpus::sentence(Split split, std::uint64_t index, std::uint64_t seed) const {
  const std::uint64_t count =
      split == Split::kTrain ? kNumTrainSentences : eval_[eval_position(split)].templates.size();
  require(index < count, "grammar corpus.sentence: sentence ", index, " of ", split_name(split), " is beyond its ",
          count);
  std::vector<Piece> pieces;
  std::size_t template_index;
  if (split == Split::kTrain) {
    template_index = shown_.sample(RandomStream(seed, "corpus.train"), index, pieces);
  } else {
    const EvalText& text = eval_[eval_position(split)];
    template_index = text.templates[index];
    pieces.assign(text.pieces.begin() + static_cast<std::ptrdiff_t>(text.begin[index]),
                  text.pieces.begin() + static_cast<std::ptrdiff_t>(text.begin[index + 1]));
  }
  GrammarSentence sentence;
  sentence.kind = grammar_of(split).templates()[template_index].kind;
  for (const Piece& piece : pieces) {
    sentence.tokens.push_back(piece.token);
    sentence.classes.push_back(static_cast<std::uint8_t>(piece.token_class));
  }
  return sentence;
}

double Corpus::log_probability(Split split, std::span<const std::int32_t> tokens) const {
  grammar::Reader reader(grammar_of(split));
  double sum = 0;
  for (const std::int32_t token : tokens) {
    check_token("log_probability", token);
    const double probability = reader.advance(static_cast<std::uint16_t>(token));
    if (probability == 0) return -std::numeric_limits<double>::infinity();
    sum += std::log(probability);
  }
  return sum;
}

}  // namespace

std::unique_ptr<GrammarCorpus> make_grammar_corpus(const GrammarCorpusOptions& options) {
  return std::make_unique<Corpus>(options);
}

}  // namespace minimoe
