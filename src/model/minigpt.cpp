// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/minigpt.hpp"

#include <algorithm>
#include <utility>

#include "minimoe/core/profile.hpp"
#include "minimoe/ops/embedding.hpp"
#include "minimoe/ops/linear.hpp"

namespace minimoe {
namespace {

const ModelConfig& checked(const ModelConfig& config) {
  require_no_problems(config.problems());
  return config;
}

}  // namespace

template <class T>
void ModelCache<T>::plan(Arena& arena, const ModelConfig& config, std::size_t max_batch_size, std::size_t max_seq_len,
                         int num_threads, bool with_backward) {
  const std::size_t max_tokens = max_batch_size * max_seq_len;
  embedded_TD = arena.take<T, 2>({max_tokens, config.d_model});
  blocks.resize(config.num_layers);
  for (std::size_t layer = 0; layer < config.num_layers; ++layer) blocks[layer].plan(arena, config, layer, max_tokens);
  final_norm_TD = arena.take<T, 2>({max_tokens, config.d_model});
  final_mean_T = arena.take<T, 1>({max_tokens});
  final_rstd_T = arena.take<T, 1>({max_tokens});
  logits_TV = arena.take<T, 2>({max_tokens, config.vocab_size});
  lse_T = arena.take<T, 1>({max_tokens});
  scratch.plan(arena, config, max_batch_size, max_seq_len, num_threads, with_backward);
  if (with_backward) {
    d_x_TD = arena.take<T, 2>({max_tokens, config.d_model});
    d_y_TD = arena.take<T, 2>({max_tokens, config.d_model});
  }
  routing.resize(config.moe_layers.size());
}

template <class T>
void NextCache<T>::plan(Arena& arena, const ModelConfig& config, std::size_t capacity, std::size_t max_tokens,
                        int num_threads) {
  x_TD = arena.take<T, 2>({max_tokens, config.d_model});
  final_norm_TD = arena.take<T, 2>({max_tokens, config.d_model});
  final_mean_T = arena.take<T, 1>({max_tokens});
  final_rstd_T = arena.take<T, 1>({max_tokens});
  scratch.branch_TD = arena.take<T, 2>({max_tokens, config.d_model});
  // Of the tokens of a call when they are the first, else of a query with all the keys.
  const AttentionShape shape{1, max_tokens, config.num_heads, config.kv_heads(), config.head_dim()};
  const std::size_t first = attention_scratch_size(shape), later = cached_attention_scratch_size(shape, capacity);
  scratch.attention.worker_scratch = arena.take<T, 2>({static_cast<std::size_t>(num_threads), std::max(first, later)});
  // No two blocks are at work together.
  const std::size_t mark = arena.mark();
  bool planned[2] = {};
  for (std::size_t layer = 0; layer < config.num_layers; ++layer) {
    const bool is_moe = config.is_moe_layer(layer);
    if (std::exchange(planned[is_moe], true)) continue;
    arena.release(mark);
    BlockCache<T>& block = is_moe ? moe : dense;
    block.plan(arena, config, layer, max_tokens);
    block.out_TD = x_TD;
  }
}

template <class T>
MiniGPT<T>::MiniGPT(const ModelConfig& config, MemoryResource* resource)
    : config_(checked(config)), final_norm_(config.norm, config.d_model, config.norm_eps, resource) {
  token_embedding_ = make_parameter<T, 2>({config.vocab_size, config.d_model}, resource);
  if (config.position == PositionKind::kLearned) {
    position_embedding_ = make_parameter<T, 2>({config.max_seq_len, config.d_model}, resource);
  } else {
    rope_cos_ = make_parameter<T, 2>({config.max_seq_len, config.head_dim() / 2}, resource);
    rope_sin_ = make_parameter<T, 2>({config.max_seq_len, config.head_dim() / 2}, resource);
    rope_tables<T>(rope_cos_.value, rope_sin_.value, config.rope_theta);
  }
  if (!config.tied_embeddings) head_ = make_parameter<T, 2>({config.vocab_size, config.d_model}, resource);
  for (std::size_t layer = 0; layer < config.num_layers; ++layer) blocks_.emplace_back(config_, layer, resource);
}

template <class T>
ParameterList<T> MiniGPT<T>::parameters() {
  ParameterTraits matrix;
  matrix.decay = Decay::kYes;
  matrix.init_std = config_.init_std;
  ParameterList<T> list;
  add_parameter(list, "token_embedding.weight", token_embedding_, matrix);
  add_parameter(list, "position_embedding.weight", position_embedding_, matrix);
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
    blocks_[layer].collect_parameters(concat("blocks.", layer), list);
  }
  final_norm_.collect_parameters("final_norm", list);
  add_parameter(list, "head.weight", head_, matrix);
  return list;
}

template <class T>
std::vector<View<const T, 2>> linear_weights(const ParameterList<T>& parameters, const ModelConfig& config) {
  std::vector<View<const T, 2>> weights;
  for (const ParameterRef<T>& p : parameters) {
    const bool rows_only =
        p.name == "position_embedding.weight" || (p.name == "token_embedding.weight" && !config.tied_embeddings);
    // Only matrices decay, stacked or not.
    if (p.decay == Decay::kNo || rows_only) continue;
    const std::size_t K = p.shape.back(), N = p.shape[p.shape.size() - 2];
    for (std::size_t at = 0; at < p.size(); at += N * K) weights.push_back({p.value + at, {N, K}});
  }
  return weights;
}

template <class T>
MoELayer<T>& MiniGPT<T>::moe_layer(std::size_t i) {
  return *blocks_[config_.moe_layers.at(i)].moe();
}

template <class T>
const MoELayer<T>& MiniGPT<T>::moe_layer(std::size_t i) const {
  return *blocks_[config_.moe_layers.at(i)].moe();
}

template <class T>
void MiniGPT<T>::check_batch(const char* where, const TokenBatch& batch, const ModelCache<T>& cache) const {
  const std::size_t num_tokens = batch.batch_size * batch.seq_len;
  require(batch.tokens.size() == num_tokens, where, ": tokens is ", shape_string(batch.tokens.shape()),
          ", expected [batch_size * seq_len] = [", batch.batch_size, " * ", batch.seq_len, "]");
  require(!batch.valid || batch.valid.size() == num_tokens, where, ": valid is ", shape_string(batch.valid.shape()),
          ", expected [", num_tokens, "] or none");
  require(batch.seq_len >= 1 && batch.seq_len <= config_.max_seq_len, where, ": seq_len is ", batch.seq_len,
          ", allowed 1..", config_.max_seq_len, " (max_seq_len)");
  for (std::size_t t = 1; batch.valid && t < num_tokens; ++t) {
    require(t % batch.seq_len == 0 || batch.valid(t) == 0 || batch.valid(t - 1) != 0, where, ": token ", t,
            " is valid after padding; padding stands on the right of its sequence");
  }
  require(num_tokens <= cache.embedded_TD.shape(0), where, ": ", num_tokens, " tokens, but the cache was planned for ",
          cache.embedded_TD.shape(0));
}

template <class T>
void MiniGPT<T>::forward(Exec& exec, const TokenBatch& batch, bool training, ModelCache<T>& cache) const {
  check_batch("minigpt.forward", batch, cache);
  const std::size_t num_tokens = batch.batch_size * batch.seq_len;
  const RoutingContext context{batch.valid, batch.seq_len, training, batch.dropless};

  View<T, 2> x_TD = cache.embedded_TD.rows(0, num_tokens);
  {
    const ProfileScope scope(exec, Pass::kForward, Operation::kEmbedding);
    token_embedding_forward<T>(exec, x_TD, batch.tokens, token_embedding_.value);
    if (position_embedding_) position_embedding_forward_add<T>(exec, x_TD, position_embedding_.value, batch.seq_len);
  }
  std::size_t moe_index = 0;
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
    RoutingStats* stats = config_.is_moe_layer(layer) ? &cache.routing[moe_index++] : nullptr;
    blocks_[layer].forward(exec, x_TD, context, rope(), cache.blocks[layer], cache.scratch, stats);
    x_TD = cache.blocks[layer].out_TD.rows(0, num_tokens);
  }
  head(exec, cache.logits_TV.rows(0, num_tokens), cache.final_norm_TD.rows(0, num_tokens),
       cache.final_mean_T.rows(0, num_tokens), cache.final_rstd_T.rows(0, num_tokens), x_TD);
}

template <class T>
void MiniGPT<T>::head(Exec& exec, View<T, 2> logits, View<T, 2> normed, View<T, 1> mean, View<T, 1> rstd,
                      In<T, 2> x) const {
  final_norm_.forward(exec, normed, mean, rstd, x);
  const ProfileScope scope(exec, Pass::kForward, Operation::kHead,
                           product_flops(x.shape(0), config_.vocab_size, config_.d_model));
  linear_forward<T>(exec, logits, normed, head_ ? head_.value : token_embedding_.value, {});
}

template <class T>
void MiniGPT<T>::forward_next(Exec& exec, View<const std::int32_t, 1> tokens, std::deque<Past<T>>& past,
                              NextCache<T>& cache, View<T, 2> logits) const {
  const std::size_t n = tokens.size(), first = past.empty() ? 0 : past.front().length, m = logits.shape(0);
  require(past.size() == blocks_.size(), "minigpt.forward_next: past has ", past.size(), " blocks, the model ",
          blocks_.size());
  require(n >= 1 && first + n <= config_.max_seq_len, "minigpt.forward_next: ", n, " tokens after ", first,
          ", allowed 1..", config_.max_seq_len, " (max_seq_len) together");
  require(n <= cache.x_TD.shape(0), "minigpt.forward_next: ", n, " tokens, but the cache was planned for ",
          cache.x_TD.shape(0));
  require(m <= n, "minigpt.forward_next: logits of ", m, " tokens, but ", n, " came");
  check_shape("minigpt.forward_next", "logits", logits, {m, config_.vocab_size});
  const View<T, 2> x_TD = cache.x_TD.rows(0, n);
  {
    const ProfileScope scope(exec, Pass::kForward, Operation::kEmbedding);
    token_embedding_forward<T>(exec, x_TD, tokens, token_embedding_.value);
    if (position_embedding_) {
      position_embedding_forward_add<T>(exec, x_TD, position_embedding_.value.rows(first, first + n), n);
    }
  }
  RopeTables<T> angles;
  if (rope_cos_) angles = {rope_cos_.value.rows(first, first + n), rope_sin_.value.rows(first, first + n)};
  const RoutingContext context{{}, n, false, false};
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
    blocks_[layer].forward(exec, x_TD, context, angles, config_.is_moe_layer(layer) ? cache.moe : cache.dense,
                           cache.scratch, &cache.routing, &past[layer]);
  }
  for (Past<T>& p : past) p.length += n;
  if (m == 0) return;
  head(exec, logits, cache.final_norm_TD.rows(0, m), cache.final_mean_T.rows(0, m), cache.final_rstd_T.rows(0, m),
       x_TD.rows(n - m, n));
}

template <class T>
CrossEntropySum MiniGPT<T>::loss(Exec& exec, View<const std::int32_t, 1> targets, ModelCache<T>& cache) const {
  require(targets.size() <= cache.logits_TV.shape(0), "minigpt.loss: ", targets.size(),
          " targets, but the cache was planned for ", cache.logits_TV.shape(0));
  const ProfileScope scope(exec, Pass::kForward, Operation::kCrossEntropy);
  return cross_entropy_forward<T>(exec, cache.lse_T.rows(0, targets.size()), cache.logits_TV.rows(0, targets.size()),
                                  targets);
}

template <class T>
void MiniGPT<T>::backward(Exec& exec, const TokenBatch& batch, View<const std::int32_t, 1> targets,
                          const LossScale& scale, ModelCache<T>& cache) {
  check_batch("minigpt.backward", batch, cache);
  require(static_cast<bool>(cache.d_x_TD), "minigpt.backward: the cache was planned without backward");
  require(scale.balance.empty() || scale.balance.size() == num_moe_layers(), "minigpt.backward: ", scale.balance.size(),
          " balance terms, expected one for each of ", num_moe_layers(), " MoE layers, or none");
  const std::size_t num_tokens = batch.batch_size * batch.seq_len;
  const RoutingContext context{batch.valid, batch.seq_len, true, batch.dropless};
  const auto block_input = [&](std::size_t layer) {
    return (layer == 0 ? cache.embedded_TD : cache.blocks[layer - 1].out_TD).rows(0, num_tokens);
  };

  const View<T, 2> d_logits_TV = cache.logits_TV.rows(0, num_tokens);
  const View<T, 2> d_x_TD = cache.d_x_TD.rows(0, num_tokens), d_branch_TD = cache.d_y_TD.rows(0, num_tokens);
  {
    ProfileScope scope(exec, Pass::kBackward, Operation::kCrossEntropy);
    cross_entropy_backward<T>(exec, d_logits_TV, d_logits_TV, cache.lse_T.rows(0, num_tokens), targets,
                              scale.cross_entropy);
    scope.next(Operation::kHead, 2 * product_flops(num_tokens, config_.vocab_size, config_.d_model));
    Parameter<T, 2>& head = head_ ? head_ : token_embedding_;
    linear_backward<T>(exec, d_branch_TD, head.gradient, {}, d_logits_TV, cache.final_norm_TD.rows(0, num_tokens),
                       head.value);
  }
  final_norm_.backward(exec, d_x_TD, d_branch_TD, block_input(blocks_.size()), cache.final_mean_T.rows(0, num_tokens),
                       cache.final_rstd_T.rows(0, num_tokens));
  std::size_t moe_index = num_moe_layers();
  for (std::size_t layer = blocks_.size(); layer-- > 0;) {
    BalanceGradient balance;
    if (config_.is_moe_layer(layer)) {
      --moe_index;
      if (!scale.balance.empty()) balance = scale.balance[moe_index];
    }
    blocks_[layer].backward(exec, d_x_TD, block_input(layer), context, rope(), cache.blocks[layer], cache.scratch,
                            d_branch_TD, balance);
  }
  const ProfileScope scope(exec, Pass::kBackward, Operation::kEmbedding);
  if (position_embedding_) {
    position_embedding_backward<T>(exec, position_embedding_.gradient, d_x_TD, batch.seq_len);
  }
  token_embedding_backward<T>(exec, token_embedding_.gradient, d_x_TD, batch.tokens);
}

template struct NextCache<float>;
template struct NextCache<double>;
template struct ModelCache<float>;
template struct ModelCache<double>;
template std::vector<View<const float, 2>> linear_weights(const ParameterList<float>&, const ModelConfig&);
template std::vector<View<const double, 2>> linear_weights(const ParameterList<double>&, const ModelConfig&);
template class MiniGPT<float>;
template class MiniGPT<double>;

}  // namespace minimoe
