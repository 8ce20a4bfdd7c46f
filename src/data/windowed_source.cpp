// SPDX-License-Identifier: Apache-2.0
#include "minimoe/data/windowed_source.hpp"

#include <cmath>
#include <filesystem>
#include <utility>

#include "minimoe/core/random.hpp"

namespace minimoe {
namespace {

void require_sizes(const char* where, std::size_t num_tokens, std::size_t num_classes) {
  require(num_tokens >= 2, where, ": tokens has ", num_tokens, " elements, expected seq_len + 1 with seq_len >= 1");
  require(num_classes == 0 || num_classes == num_tokens, where, ": classes has ", num_classes,
          " elements, expected 0 or as many as tokens, ", num_tokens);
}

}  // namespace

WindowedSource::WindowedSource(SourceIdentity identity, std::size_t num_tokens, std::size_t num_train_tokens)
    : identity_(std::move(identity)), num_tokens_(num_tokens), num_train_tokens_(num_train_tokens) {}

void WindowedSource::set_num_tokens(std::size_t num_tokens, std::size_t num_train_tokens) {
  num_tokens_ = num_tokens;
  num_train_tokens_ = num_train_tokens;
}

WindowedSource::Part WindowedSource::part_of(Split split) const {
  if (split == Split::kTrain) return {0, num_train_tokens_};
  if (split == Split::kVal) return {num_train_tokens_, num_tokens_ - num_train_tokens_};
  return {0, 0};
}

void WindowedSource::require_room(Split split, std::size_t window) const {
  const std::size_t size = part_of(split).size;
  require(size >= window, identity_.path, ": the ", split == Split::kTrain ? "training" : "validation", " part has ",
          size, " of ", num_tokens_, " tokens, a window needs ", window, " (seq_len ", window - 1,
          " + 1): take more text, a shorter seq_len or another val_fraction");
}

void WindowedSource::train_window(std::uint64_t seed, std::uint64_t index, std::span<std::int32_t> tokens,
                                  std::span<std::uint8_t> classes) const {
  require_sizes("token_source.train_window", tokens.size(), classes.size());
  // A run that can train but never validate would waste its first hours, so both parts are asked for here.
  require_room(Split::kTrain, tokens.size());
  if (wants_validation()) require_room(Split::kVal, tokens.size());
  const std::size_t num_starts = num_train_tokens_ - tokens.size() + 1;
  copy(RandomStream(seed, "data.train").below(index, num_starts), tokens, classes);
}

std::uint64_t WindowedSource::num_eval_windows(Split split, std::size_t seq_len) const {
  require(seq_len >= 1, "token_source.num_eval_windows: seq_len is 0, expected at least 1");
  const std::size_t size = part_of(split).size;
  return seq_len < size ? size / (seq_len + 1) : 0;
}

void WindowedSource::eval_window(Split split, std::uint64_t index, std::span<std::int32_t> tokens,
                                 std::span<std::uint8_t> classes) const {
  require_sizes("token_source.eval_window", tokens.size(), classes.size());
  const std::uint64_t num_windows = num_eval_windows(split, tokens.size() - 1);
  require(index < num_windows, "token_source.eval_window: index is ", index, ", expected below ", num_windows,
          " (windows of ", tokens.size(), " tokens of this split in ", identity_.path, ")");
  copy(part_of(split).begin + index * tokens.size(), tokens, classes);
}

std::string WindowedSource::decode(std::span<const std::int32_t> tokens) const {
  std::string text;
  for (const std::int32_t token : tokens) {
    if (!text.empty()) text += ' ';
    text += token_text(token);
  }
  return text;
}

const std::vector<std::string>& WindowedSource::class_names() const {
  static const std::vector<std::string> kNone;
  return kNone;
}

std::string WindowedSource::name() const { return std::filesystem::path(identity_.path).filename().string(); }

std::size_t num_validation(std::size_t total, double val_fraction) {
  return static_cast<std::size_t>(std::llround(static_cast<double>(total) * val_fraction));
}

}  // namespace minimoe
