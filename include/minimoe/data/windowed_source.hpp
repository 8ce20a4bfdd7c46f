// SPDX-License-Identifier: Apache-2.0
// Windows over one array of tokens: its front is the training part, its end the validation part.
#pragma once

#include <cstddef>
#include <string>

#include "minimoe/data/token_source.hpp"

namespace minimoe {

struct SourceIdentity {
  std::string path;    ///< of the file, or the name of what is no file
  std::string sha256;  ///< of the file's bytes on disk; empty for what is no file
};

/// What every source over an array of tokens shares. A training window starts at a uniformly drawn token of the
/// training part; evaluation windows follow each other without overlap, seq_len + 1 tokens each, and a last incomplete
/// one is left out. Split::kTrain gives such consecutive windows of the training part; the held-out splits do not
/// exist.
class WindowedSource : public TokenSource {
 public:
  void train_window(std::uint64_t seed, std::uint64_t index, std::span<std::int32_t> tokens,
                    std::span<std::uint8_t> classes) const override;
  std::uint64_t num_eval_windows(Split split, std::size_t seq_len) const override;
  void eval_window(Split split, std::uint64_t index, std::span<std::int32_t> tokens,
                   std::span<std::uint8_t> classes) const override;
  /// The tokens' texts with spaces between them, unless a source knows better.
  std::string decode(std::span<const std::int32_t> tokens) const override;
  /// None, unless a source has its own.
  const std::vector<std::string>& class_names() const override;
  std::optional<double> entropy_floor(Split, std::size_t, std::uint64_t) const override { return std::nullopt; }
  std::vector<Probe> probes(Split, std::size_t) const override { return {}; }
  std::string sha256() const override { return identity_.sha256; }
  std::string name() const override;

 protected:
  WindowedSource(SourceIdentity identity, std::size_t num_tokens, std::size_t num_train_tokens);
  /// A source in memory grows; nobody may read it meanwhile.
  void set_num_tokens(std::size_t num_tokens, std::size_t num_train_tokens);
  /// Whether training windows are refused when there is no validation window of their length.
  virtual bool wants_validation() const { return true; }

 private:
  /// Copies tokens [begin, begin + tokens.size()) and, unless `classes` is empty, their classes.
  virtual void copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const = 0;

  struct Part {
    std::size_t begin, size;
  };
  Part part_of(Split split) const;
  void require_room(Split split, std::size_t window) const;

  SourceIdentity identity_;
  std::size_t num_tokens_;
  std::size_t num_train_tokens_;
};

/// Tokens (or sentences) of `total` that stand at the end for validation: val_fraction of them, rounded.
std::size_t num_validation(std::size_t total, double val_fraction);

}  // namespace minimoe
