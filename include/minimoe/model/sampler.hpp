// SPDX-License-Identifier: Apache-2.0
// Generating tokens and answering probes.
#pragma once

#include <span>

#include "minimoe/core/cancel.hpp"
#include "minimoe/core/random.hpp"
#include "minimoe/model/decoder.hpp"

namespace minimoe {

/// What happens to a text that has reached max_seq_len.
enum class WhenFull {
  kSlide,  ///< goes on with the last max_seq_len tokens as context, which are computed anew for each token
  kStop,   ///< the text ends
};

/// How a token is drawn from logits. The filters in their order, as in Hugging Face's transformers: the logits are
/// divided by the temperature; all but the top_k likeliest tokens are dropped; of the rest, renormalised, a token stays
/// when the probabilities of those likelier than it sum to less than top_p (the likeliest always does). Of equal logits
/// the lower id counts as likelier, so that exactly top_k stay.
struct SampleOptions {
  std::size_t max_new_tokens = 64;
  double temperature = 1;  ///< > 0; 0: greedy, the likeliest token, of equals the lowest id
  std::size_t top_k = 0;   ///< keep the k likeliest; 0: all
  double top_p = 1;        ///< 0..1; 1: all
  std::uint64_t seed = 0;
  std::int32_t stop_token = -1;  ///< ends the text (and is included); -1: none
  WhenFull when_full = WhenFull::kSlide;
};

/// Draws tokens. Computes in double, and allocates nothing after construction.
class TokenSampler {
 public:
  TokenSampler(std::size_t vocab_size, const SampleOptions& options);

  /// A token for `position` of a text: a function of logits [V], options, seed and position alone, so that a text does
  /// not depend on how it was asked for. @throws Error(kNonFinite) naming the first logit that is NaN or infinite.
  template <class T>
  std::int32_t draw(View<const T, 1> logits, std::size_t position);

  /// The tokens that the last draw chose among, and their probabilities; empty when it was greedy.
  View<const std::int32_t, 1> candidates() const { return {order_.data(), {num_kept_}}; }
  View<const double, 1> probabilities() const { return {weights_.data(), {num_kept_}}; }

 private:
  const SampleOptions options_;
  const RandomStream stream_;
  std::vector<std::int32_t> order_;
  std::vector<double> weights_;
  std::size_t num_kept_ = 0;
};

/// A continuation, pulled token by token.
template <class T>
class TokenStream {
 public:
  enum class End { kNone, kMaxNewTokens, kStopToken, kContextFull };

  /// @param prompt not empty, ids of the model; of one longer than max_seq_len, the last that many tokens are looked at
  ///   (kSlide), or it is refused (kStop). @param num_threads of the contexts that next() will be called with, at most.
  /// @param where begins the messages that refuse a prompt. @param packed as for Decoder.
  TokenStream(const MiniGPT<T>& model, const std::vector<std::int32_t>& prompt, const SampleOptions& options,
              int num_threads, MemoryResource* resource = nullptr, const char* where = "sample",
              std::shared_ptr<const PackedWeights<T>> packed = nullptr);

  /// Draws one token and gives true, or gives false at the end. Allocates nothing after the second call while the text
  /// fits into max_seq_len. After an exception the stream is as before the call, but that it has no logits.
  bool next(Exec& exec, std::int32_t& token);

  /// Those that the last token was drawn from, [V]; empty before the first and after an exception.
  View<const T, 1> logits() const { return logits_; }
  /// The prompt, then the tokens given.
  const std::vector<std::int32_t>& text() const { return text_; }
  std::span<const std::int32_t> drawn() const { return std::span(text_).subspan(prompt_size_); }
  /// Known with the last token.
  End end() const { return end_; }
  /// Of keys, values and activations that it holds.
  std::size_t memory_bytes() const { return decoder_.memory_bytes(); }

 private:
  const std::size_t max_seq_len_, prompt_size_;
  const SampleOptions options_;
  Decoder<T> decoder_;
  TokenSampler sampler_;
  std::vector<std::int32_t> text_;
  std::size_t decoded_ = 0;  // tokens of text_ that the decoder holds
  View<const T, 1> logits_;
  End end_ = End::kNone;
};

/// Continues `prompt` to the end of its TokenStream. @return the new tokens.
/// @throws Error(kCancelled) before a token.
template <class T>
std::vector<std::int32_t> sample_tokens(Exec& exec, const MiniGPT<T>& model, const std::vector<std::int32_t>& prompt,
                                        const SampleOptions& options, const CancelFlag* cancel = nullptr,
                                        MemoryResource* resource = nullptr,
                                        std::shared_ptr<const PackedWeights<T>> packed = nullptr);

/// How many of the questions greedy decoding answers exactly: prompts[i] is answered right when each token of
/// answers[i] is the likeliest after what stands before it. Questions longer than max_seq_len are an error.
/// @throws Error(kCancelled) between questions.
template <class T>
std::size_t count_exact_answers(Exec& exec, const MiniGPT<T>& model,
                                const std::vector<std::vector<std::int32_t>>& prompts,
                                const std::vector<std::vector<std::int32_t>>& answers,
                                const CancelFlag* cancel = nullptr, MemoryResource* resource = nullptr);

}  // namespace minimoe
