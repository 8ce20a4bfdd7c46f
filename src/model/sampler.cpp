// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

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

// Tokens that a stream keeps at most, when its prompt is one.
std::size_t checked_capacity(const char* where, const ModelConfig& config, const std::vector<std::int32_t>& prompt,
                             const SampleOptions& options) {
  const std::size_t most = config.max_seq_len, V = config.vocab_size;
  require(!prompt.empty(), where, ": the prompt is empty; at least one token is needed");
  for (std::size_t t = 0; t < prompt.size(); ++t) {
    require(prompt[t] >= 0 && static_cast<std::size_t>(prompt[t]) < V, where, ": token ", t, " of the prompt is ",
            prompt[t], ", expected 0 <= id < ", V, " (vocab_size)");
  }
  require(options.when_full == WhenFull::kSlide || prompt.size() <= most, where, ": the prompt has ", prompt.size(),
          " tokens, allowed 1..", most, " (max_seq_len) when the context does not slide");
  return std::min(most, prompt.size() + std::min(options.max_new_tokens, most));
}

}  // namespace

TokenSampler::TokenSampler(std::size_t vocab_size, const SampleOptions& options)
    : options_(options), stream_(options.seed, "sample") {
  require(std::isfinite(options.temperature) && options.temperature >= 0, "sample: temperature is ",
          options.temperature, ", allowed 0 (greedy) or more");
  require(options.top_p >= 0 && options.top_p <= 1, "sample: top_p is ", options.top_p, ", allowed 0..1 (1: all)");
  if (options.temperature == 0) return;
  order_.resize(vocab_size);
  weights_.resize(vocab_size);
}

template <class T>
std::int32_t TokenSampler::draw(View<const T, 1> logits_V, std::size_t position) {
  const T* const logits = logits_V.data();
  const std::size_t V = logits_V.size();
  const std::int32_t first = likeliest(logits, V);
  if (options_.temperature == 0) return first;

  const auto likelier = [logits](std::int32_t a, std::int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  std::iota(order_.begin(), order_.end(), 0);
  const auto begin = order_.begin();
  const auto at = [begin](std::size_t i) { return begin + static_cast<std::ptrdiff_t>(i); };
  num_kept_ = options_.top_k > 0 ? std::min(options_.top_k, V) : V;
  if (num_kept_ < V) std::partial_sort(begin, at(num_kept_), order_.end(), likelier);

  const double top = static_cast<double>(logits[first]);
  double total = 0;
  for (std::size_t i = 0; i < num_kept_; ++i) {
    weights_[i] = std::exp((static_cast<double>(logits[order_[i]]) - top) / options_.temperature);
    total += weights_[i];
  }
  if (options_.top_p < 1) {
    // Likeliest first, only as many as are needed: a heap of the rest, from whose top they come.
    const auto less_likely = [likelier](std::int32_t a, std::int32_t b) { return likelier(b, a); };
    const double wanted = options_.top_p * total;
    double before = 0;
    std::size_t kept = 0;
    if (num_kept_ == V) std::make_heap(begin, order_.end(), less_likely);
    do {
      if (num_kept_ == V) std::pop_heap(begin, at(V - kept), less_likely);
      const std::int32_t token = num_kept_ == V ? order_[V - kept - 1] : order_[kept];
      weights_[kept] = std::exp((static_cast<double>(logits[token]) - top) / options_.temperature);
      before += weights_[kept++];
    } while (kept < num_kept_ && before < wanted);
    if (num_kept_ == V) std::reverse(begin, order_.end());
    num_kept_ = kept;
    total = before;
  }
  double left = stream_.uniform(position) * total;
  std::size_t chosen = 0;  // the last that can be drawn, should rounding leave something
  for (std::size_t i = 0; i < num_kept_; ++i) {
    if (weights_[i] > 0) chosen = i;
    if (left < weights_[i]) break;
    left -= weights_[i];
  }
  for (std::size_t i = 0; i < num_kept_; ++i) weights_[i] /= total;
  return order_[chosen];
}

template <class T>
TokenStream<T>::TokenStream(const MiniGPT<T>& model, const std::vector<std::int32_t>& prompt,
                            const SampleOptions& options, int num_threads, MemoryResource* resource, const char* where,
                            std::shared_ptr<const PackedWeights<T>> packed)
    : max_seq_len_(model.config().max_seq_len),
      prompt_size_(prompt.size()),
      options_(options),
      decoder_(model, checked_capacity(where, model.config(), prompt, options), num_threads, resource,
               std::move(packed)),
      sampler_(model.config().vocab_size, options),
      text_(prompt) {
  text_.reserve(prompt.size() + std::min(options.max_new_tokens, max_seq_len_));
  if (options.max_new_tokens == 0) end_ = End::kMaxNewTokens;
}

template <class T>
bool TokenStream<T>::next(Exec& exec, std::int32_t& token) {
  if (end_ != End::kNone) return false;
  const std::size_t size = text_.size();
  const bool one_more = decoded_ > 0 && decoded_ + 1 == size && size <= decoder_.capacity() && decoder_.can_append();
  const std::size_t seen = std::min(size, max_seq_len_);
  decoded_ = 0;  // until it has succeeded
  logits_ = {};
  const View<const T, 1> logits =
      one_more ? decoder_.append(exec, text_.back()) : decoder_.start(exec, {text_.data() + (size - seen), {seen}});
  token = sampler_.draw<T>(logits, size);
  text_.push_back(token);
  decoded_ = size;
  logits_ = logits;
  if (token == options_.stop_token) {
    end_ = End::kStopToken;
  } else if (text_.size() - prompt_size_ == options_.max_new_tokens) {
    end_ = End::kMaxNewTokens;
  } else if (size == max_seq_len_ && options_.when_full == WhenFull::kStop) {
    end_ = End::kContextFull;
  }
  return true;
}

template <class T>
std::vector<std::int32_t> sample_tokens(Exec& exec, const MiniGPT<T>& model, const std::vector<std::int32_t>& prompt,
                                        const SampleOptions& options, const CancelFlag* cancel,
                                        MemoryResource* resource, std::shared_ptr<const PackedWeights<T>> packed) {
  TokenStream<T> stream(model, prompt, options, exec.num_threads(), resource, "sample", std::move(packed));
  std::int32_t token = 0;
  while (stream.end() == TokenStream<T>::End::kNone) {
    throw_if_cancelled(cancel, "sample");
    stream.next(exec, token);
  }
  return {stream.drawn().begin(), stream.drawn().end()};
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
                                                   const SampleOptions&, const CancelFlag*, MemoryResource*,        \
                                                   std::shared_ptr<const PackedWeights<T>>);                        \
  template std::size_t count_exact_answers(Exec&, const MiniGPT<T>&, const std::vector<std::vector<std::int32_t>>&, \
                                           const std::vector<std::vector<std::int32_t>>&, const CancelFlag*,        \
                                           MemoryResource*);                                                        \
  template class TokenStream<T>;                                                                                    \
  template std::int32_t TokenSampler::draw<T>(View<const T, 1>, std::size_t);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
