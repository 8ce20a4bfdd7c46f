// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace minimoe {
namespace {

// Throws when a logit is NaN or infinite, else gives the likeliest token.
template <class T>
std::int32_t likeliest(const T* logits, std::size_t vocab_size) {
  for (std::size_t i = 0; i < vocab_size; ++i) {
    if (!std::isfinite(logits[i])) {
      throw Error(ErrorCode::kNonFinite, concat("sample: the logit of token ", i, " is ", logits[i]));
    }
  }
  return static_cast<std::int32_t>(std::max_element(logits, logits + vocab_size) - logits);
}

// Draws from softmax(logits / temperature) restricted to the top_k likeliest, ties to the lower id.
template <class T>
std::int32_t draw(const T* logits, std::size_t vocab_size, const SampleOptions& options, double uniform) {
  const double top = static_cast<double>(logits[likeliest(logits, vocab_size)]);
  std::vector<std::int32_t> order(vocab_size);
  std::iota(order.begin(), order.end(), 0);
  const std::size_t kept = options.top_k > 0 ? std::min(options.top_k, vocab_size) : vocab_size;
  if (kept < vocab_size) {
    std::partial_sort(
        order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
        [logits](std::int32_t a, std::int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
    order.resize(kept);
  }
  std::vector<double> weights(kept);
  double total = 0;
  for (std::size_t i = 0; i < kept; ++i) {
    weights[i] = std::exp((static_cast<double>(logits[order[i]]) - top) / options.temperature);
    total += weights[i];
  }
  double left = uniform * total;
  for (std::size_t i = 0; i < kept; ++i) {
    if (left < weights[i]) return order[i];
    left -= weights[i];
  }
  return order.back();
}

}  // namespace

template <class T>
std::vector<std::int32_t> sample_tokens(Exec& exec, const MiniGPT<T>& model, const std::vector<std::int32_t>& prompt,
                                        const SampleOptions& options, const CancelFlag* cancel,
                                        MemoryResource* resource) {
  require(!prompt.empty(), "sample: the prompt is empty; at least one token is needed");
  require(std::isfinite(options.temperature) && options.temperature >= 0, "sample: temperature is ",
          options.temperature, ", allowed 0 (greedy) or more");
  const ModelConfig& config = model.config();
  Arena arena(resource);
  ModelCache<T> cache;
  arena.build([&](Arena& a) { cache.plan(a, config, 1, config.max_seq_len, exec.num_threads(), false); });

  const RandomStream stream(options.seed, "sample");
  std::vector<std::int32_t> text = prompt;
  while (text.size() < prompt.size() + options.max_new_tokens) {
    throw_if_cancelled(cancel, "sample");
    const std::size_t seq_len = std::min(text.size(), config.max_seq_len);
    const View<const std::int32_t, 1> context(text.data() + text.size() - seq_len, {seq_len});
    model.forward(exec, TokenBatch{context, {}, 1, seq_len}, false, cache);
    const T* logits = cache.logits_TV.row(seq_len - 1);
    const std::int32_t next = options.temperature == 0
                                  ? likeliest(logits, config.vocab_size)
                                  : draw(logits, config.vocab_size, options, stream.uniform(text.size()));
    text.push_back(next);
    if (next == options.stop_token) break;
  }
  return {text.begin() + static_cast<std::ptrdiff_t>(prompt.size()), text.end()};
}

template <class T>
std::size_t count_exact_answers(Exec& exec, const MiniGPT<T>& model,
                                const std::vector<std::vector<std::int32_t>>& prompts,
                                const std::vector<std::vector<std::int32_t>>& answers, const CancelFlag* cancel,
                                MemoryResource* resource) {
  require(prompts.size() == answers.size(), "count_exact_answers: ", prompts.size(), " prompts, ", answers.size(),
          " answers");
  const ModelConfig& config = model.config();
  Arena arena(resource);
  ModelCache<T> cache;
  arena.build([&](Arena& a) { cache.plan(a, config, 1, config.max_seq_len, exec.num_threads(), false); });

  // Greedy decoding gives the answer exactly when, with the answer itself as context, each of its tokens is the
  // likeliest.
  std::size_t right = 0;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    throw_if_cancelled(cancel, "count_exact_answers");
    require(!prompts[i].empty() && !answers[i].empty(), "count_exact_answers: question ", i, " is empty");
    std::vector<std::int32_t> text = prompts[i];
    text.insert(text.end(), answers[i].begin(), answers[i].end() - 1);
    require(text.size() <= config.max_seq_len, "count_exact_answers: question ", i, " has ", text.size(),
            " tokens, max_seq_len is ", config.max_seq_len);
    model.forward(exec, TokenBatch{{text.data(), {text.size()}}, {}, 1, text.size()}, false, cache);
    bool exact = true;
    for (std::size_t j = 0; j < answers[i].size(); ++j) {
      exact = exact && likeliest(cache.logits_TV.row(prompts[i].size() - 1 + j), config.vocab_size) == answers[i][j];
    }
    right += exact;
  }
  return right;
}

#define MINIMOE_INSTANTIATE(T)                                                                                      \
  template std::vector<std::int32_t> sample_tokens(Exec&, const MiniGPT<T>&, const std::vector<std::int32_t>&,      \
                                                   const SampleOptions&, const CancelFlag*, MemoryResource*);       \
  template std::size_t count_exact_answers(Exec&, const MiniGPT<T>&, const std::vector<std::vector<std::int32_t>>&, \
                                           const std::vector<std::vector<std::int32_t>>&, const CancelFlag*,        \
                                           MemoryResource*);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
