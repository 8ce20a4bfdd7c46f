// SPDX-License-Identifier: Apache-2.0
// Where training and evaluation windows come from: the generated grammar corpus, or a file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "minimoe/core/error.hpp"

namespace minimoe {

enum class Split { kTrain, kVal, kHeldOutVerbs, kHeldOutCombinations };

/// "train", "val", "held-out-verbs", "held-out-combinations"
const char* split_name(Split split);
/// Inverse of split_name. @throws Error(kInvalidArgument) naming the splits.
Split split_from_name(const std::string& name);

/// A question with one right continuation: the model is correct when greedy decoding after `prompt` gives `answer`.
struct Probe {
  std::vector<std::int32_t> prompt;
  std::vector<std::int32_t> answer;
  std::string kind;  ///< the drill, e.g. "conjugation"
};

/// Windows of token ids, each addressed by a number, whatever was read before. Immutable after construction; every
/// method is safe from any thread.
class TokenSource {
 public:
  virtual ~TokenSource() = default;

  /// Number of token ids; every id handed out is in [0, vocab_size).
  virtual std::size_t vocab_size() const = 0;
  /// Text of a token for people.
  virtual std::string token_text(std::int32_t token) const = 0;
  /// Ids of a prompt in the source's own alphabet. @throws Error(kInvalidArgument) naming what cannot be encoded.
  virtual std::vector<std::int32_t> encode(const std::string& text) const = 0;
  /// Joins tokens into text for people (inverse of encode up to white space).
  virtual std::string decode(std::span<const std::int32_t> tokens) const = 0;

  /// Names of the token classes; empty when the source has none.
  virtual const std::vector<std::string>& class_names() const = 0;

  /// Fills `tokens` (seq_len + 1 of them: inputs and, shifted by one, targets) with training window `index` of `seed`.
  /// `classes` is empty or of equal length and receives each token's class (index into class_names).
  virtual void train_window(std::uint64_t seed, std::uint64_t index, std::span<std::int32_t> tokens,
                            std::span<std::uint8_t> classes) const = 0;

  /// How many evaluation windows of seq_len + 1 tokens `split` has; 0 when it does not exist here.
  virtual std::uint64_t num_eval_windows(Split split, std::size_t seq_len) const = 0;
  /// Evaluation window `index` (< num_eval_windows), always the same.
  virtual void eval_window(Split split, std::uint64_t index, std::span<std::int32_t> tokens,
                           std::span<std::uint8_t> classes) const = 0;

  /// Mean of -ln p(token | earlier tokens of its window) in nats over the targets of the first `num_windows` evaluation
  /// windows, p being the true distribution: no model can expect a lower loss. Empty when the distribution is unknown.
  /// For Split::kTrain: over as many windows of the training distribution.
  virtual std::optional<double> entropy_floor(Split split, std::size_t seq_len, std::uint64_t num_windows) const = 0;

  /// Questions of a split, in a fixed order; empty when the source has none.
  virtual std::vector<Probe> probes(Split split, std::size_t max_count) const = 0;

  /// The tokenizer.json of a vocabulary that was trained or read; empty when the source has none.
  virtual std::string tokenizer_json() const { return {}; }

  /// SHA-256, as 64 hex digits, of what the source is made from (see the implementation for what is hashed).
  virtual std::string sha256() const = 0;
  /// "grammar", or the file's name without its directories.
  virtual std::string name() const = 0;
  /// Bytes that the source keeps in memory.
  virtual std::size_t memory_bytes() const = 0;
};

/// The splits that have evaluation windows of some length.
std::vector<Split> evaluation_splits(const TokenSource& source);
/// source.num_eval_windows, at least 1. @throws Error(kInvalidArgument), naming those splits when `split` is not one.
std::uint64_t require_eval_windows(const TokenSource& source, Split split, std::size_t seq_len);

}  // namespace minimoe
