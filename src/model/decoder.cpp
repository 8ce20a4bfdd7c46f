// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/decoder.hpp"

#include <utility>

namespace minimoe {
namespace {

template <class T>
void plan_decoder(Arena& arena, const ModelConfig& config, std::size_t capacity, int num_threads,
                  std::deque<Past<T>>& past, NextCache<T>& one, View<T, 2>& logits) {
  past.resize(config.num_layers);
  for (Past<T>& p : past) p.kept.plan(arena, config.kv_heads(), capacity, config.head_dim());
  logits = arena.take<T, 2>({1, config.vocab_size});
  one.plan(arena, config, capacity, 1, num_threads);
}

}  // namespace

template <class T>
Decoder<T>::Decoder(const MiniGPT<T>& model, std::size_t capacity, int num_threads, MemoryResource* resource,
                    std::shared_ptr<const PackedWeights<T>> packed)
    : model_(model),
      capacity_(capacity),
      num_threads_(num_threads),
      limited_(!model.config().moe_layers.empty() && model.config().moe.eval_capacity_factor > 0),
      packed_(std::move(packed)),
      arena_(resource) {
  require(capacity >= 1 && capacity <= model.config().max_seq_len, "decoder: capacity is ", capacity, ", allowed 1..",
          model.config().max_seq_len, " (max_seq_len)");
  arena_.build([&](Arena& arena) { plan_decoder(arena, model.config(), capacity, num_threads, past_, one_, logits_); });
  one_.routing.reset(model.config().moe.num_experts);
}

template <class T>
std::size_t Decoder<T>::memory_bytes(const ModelConfig& config, std::size_t capacity, int num_threads) {
  std::deque<Past<T>> past;
  NextCache<T> one;
  View<T, 2> logits;
  return Arena::measure([&](Arena& arena) { plan_decoder(arena, config, capacity, num_threads, past, one, logits); });
}

template <class T>
View<const T, 1> Decoder<T>::forward(Exec& exec, View<const std::int32_t, 1> tokens, NextCache<T>& cache) {
  require(exec.num_threads() <= num_threads_, "decoder: the context has ", exec.num_threads(),
          " threads, the decoder was made for ", num_threads_);
  const PackedWeightsScope<T> scope(exec, packed_.get());
  model_.forward_next(exec, tokens, past_, cache, logits_);
  return {logits_.data(), {logits_.size()}};
}

template <class T>
View<const T, 1> Decoder<T>::start(Exec& exec, View<const std::int32_t, 1> text) {
  const std::size_t n = text.size();
  require(n >= 1 && n <= capacity_, "decoder.start: ", n, " tokens, allowed 1..", capacity_, " (capacity)");
  for (Past<T>& p : past_) p.length = 0;
  if (n == 1) return forward(exec, text, one_);
  if (!start_arena_ || n > start_.x_TD.shape(0)) {
    // Texts that come whole each time grow by a token a time.
    const std::size_t planned = limited_ ? capacity_ : n;
    start_arena_.emplace(arena_.resource());
    try {
      start_arena_->build([&](Arena& arena) { start_.plan(arena, model_.config(), capacity_, planned, num_threads_); });
    } catch (...) {
      start_arena_.reset();
      throw;
    }
  }
  return forward(exec, text, start_);
}

template <class T>
View<const T, 1> Decoder<T>::append(Exec& exec, std::int32_t token) {
  if (limited_) {
    throw Error(
        ErrorCode::kUnsupported,
        concat("decoder.append: moe.eval_capacity_factor is ", model_.config().moe.eval_capacity_factor,
               ", and a capacity limit makes a token depend on those computed with it; start() takes the text"));
  }
  require(length() < capacity_, "decoder.append: ", length(), " tokens are kept, which is the capacity");
  start_arena_.reset();
  return forward(exec, {&token, {1}}, one_);
}

template class Decoder<float>;
template class Decoder<double>;

}  // namespace minimoe
