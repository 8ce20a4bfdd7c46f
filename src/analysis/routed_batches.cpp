// SPDX-License-Identifier: Apache-2.0
#include "analysis/routed_batches.hpp"

#include <algorithm>

namespace minimoe {
namespace {

std::uint64_t count_windows(const TokenSource& source, const WindowChoice& choice) {
  if (choice.split == Split::kTrain) {
    require(choice.max_windows > 0, "max_windows is 0, expected 1 or more: the training windows have no end");
    return choice.max_windows;
  }
  const std::uint64_t there = require_eval_windows(source, choice.split, choice.seq_len);
  return choice.max_windows == 0 ? there : std::min(there, choice.max_windows);
}

}  // namespace

void check_analysable(const ModelConfig& model, const TokenSource& source, const WindowChoice& choice) {
  require(!model.moe_layers.empty(), "the model is dense: it has no MoE layer to look at");
  require(source.vocab_size() <= model.vocab_size, source.name(), " has ", source.vocab_size(),
          " token ids, the model ", model.vocab_size);
  require(choice.seq_len >= 1 && choice.seq_len <= model.max_seq_len, "seq_len is ", choice.seq_len, ", expected 1..",
          model.max_seq_len);
  require(choice.batch_size >= 1, "batch_size is 0, expected 1 or more");
  count_windows(source, choice);
}

template <class T>
RoutedBatches<T>::RoutedBatches(Exec& exec, const MiniGPT<T>& model, const TokenSource& source,
                                const WindowChoice& choice, MemoryResource* resource)
    : exec_(exec), model_(model), source_(source), choice_(choice), arena_(resource) {
  check_analysable(model.config(), source, choice);
  num_windows_ = count_windows(source, choice);
  choice_.batch_size = static_cast<std::size_t>(std::min<std::uint64_t>(choice.batch_size, num_windows_));
  const std::size_t most = choice_.batch_size * choice_.seq_len;
  tokens_.resize(most);
  targets_.resize(most);
  window_.resize(choice_.seq_len + 1);
  if (!source.class_names().empty()) {
    classes_.resize(most);
    window_classes_.resize(choice_.seq_len + 1);
  }
  arena_.build([&](Arena& arena) {
    cache_.plan(arena, model.config(), choice_.batch_size, choice_.seq_len, exec.num_threads(), false);
  });
}

template <class T>
void RoutedBatches<T>::read_window(std::uint64_t index) {
  if (choice_.split == Split::kTrain) {
    source_.train_window(choice_.seed, index, window_, window_classes_);
  } else {
    source_.eval_window(choice_.split, index, window_, window_classes_);
  }
}

template <class T>
bool RoutedBatches<T>::next(const CancelFlag* cancel) {
  throw_if_cancelled(cancel, "routing a split");
  if (next_window_ == num_windows_) return false;
  const std::size_t seq_len = choice_.seq_len;
  first_window_ = next_window_;
  const auto rows = static_cast<std::size_t>(std::min<std::uint64_t>(choice_.batch_size, num_windows_ - first_window_));
  for (std::size_t row = 0; row < rows; ++row, ++next_window_) {
    read_window(next_window_);
    std::copy_n(window_.begin(), seq_len, tokens_.begin() + row * seq_len);
    std::copy_n(window_.begin() + 1, seq_len, targets_.begin() + row * seq_len);
    if (!classes_.empty()) std::copy_n(window_classes_.begin(), seq_len, classes_.begin() + row * seq_len);
  }
  batch_.batch_size = rows;
  batch_.seq_len = seq_len;
  batch_.tokens = View<const std::int32_t, 1>(tokens_.data(), {rows * seq_len});
  return true;
}

template <class T>
void RoutedBatches<T>::forward(bool dropless) {
  batch_.dropless = dropless;
  model_.forward(exec_, batch_, choice_.split == Split::kTrain, cache_);
}

template <class T>
CrossEntropySum RoutedBatches<T>::loss() {
  return model_.loss(exec_, View<const std::int32_t, 1>(targets_.data(), {num_tokens()}), cache_);
}

template class RoutedBatches<float>;
template class RoutedBatches<double>;

}  // namespace minimoe
