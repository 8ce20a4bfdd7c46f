// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/block.hpp"

#include "minimoe/ops/residual.hpp"

namespace minimoe {

template <class T>
void BlockCache<T>::plan(Arena& arena, const ModelConfig& config, std::size_t layer, std::size_t max_tokens) {
  norm1_mean_T = arena.take<T, 1>({max_tokens});
  norm1_rstd_T = arena.take<T, 1>({max_tokens});
  norm2_mean_T = arena.take<T, 1>({max_tokens});
  norm2_rstd_T = arena.take<T, 1>({max_tokens});
  norm1_TD = arena.take<T, 2>({max_tokens, config.d_model});
  mid_TD = arena.take<T, 2>({max_tokens, config.d_model});
  norm2_TD = arena.take<T, 2>({max_tokens, config.d_model});
  out_TD = arena.take<T, 2>({max_tokens, config.d_model});
  attention.plan(arena, config, max_tokens);
  if (config.is_moe_layer(layer)) {
    moe.plan(arena, config.moe_config(), max_tokens);
  } else {
    feed_forward.plan(arena, config.feed_forward_config(), max_tokens);
  }
}

template <class T>
void BlockScratch<T>::plan(Arena& arena, const ModelConfig& config, std::size_t batch_size, std::size_t seq_len,
                           int num_threads, bool with_backward) {
  attention.plan(arena, config, batch_size, seq_len, num_threads, with_backward);
  branch_TD = arena.take<T, 2>({batch_size * seq_len, config.d_model});
}

template <class T>
Block<T>::Block(const ModelConfig& config, std::size_t layer, MemoryResource* resource)
    : norm1_(config.norm, config.d_model, config.norm_eps, resource),
      norm2_(config.norm, config.d_model, config.norm_eps, resource),
      attention_(config, resource) {
  if (config.is_moe_layer(layer)) {
    moe_ = std::make_unique<MoELayer<T>>(config.moe_config(), resource);
  } else {
    feed_forward_ = std::make_unique<FeedForward<T>>(config.feed_forward_config(), resource);
  }
}

template <class T>
void Block<T>::collect_parameters(const std::string& prefix, ParameterList<T>& list) {
  norm1_.collect_parameters(prefix + ".norm1", list);
  attention_.collect_parameters(prefix + ".attn", list);
  norm2_.collect_parameters(prefix + ".norm2", list);
  if (moe_) {
    moe_->collect_parameters(prefix + ".moe", list);
  } else {
    feed_forward_->collect_parameters(prefix + ".ffn", list);
  }
}

template <class T>
void Block<T>::forward(Exec& exec, In<T, 2> x, const RoutingContext& context, const RopeTables<T>& rope,
                       BlockCache<T>& cache, BlockScratch<T>& scratch, RoutingStats* stats, const Past<T>* past) const {
  const std::size_t num_tokens = x.shape(0);
  const auto rows = [num_tokens](auto view) { return view.rows(0, num_tokens); };
  const View<T, 2> branch_TD = rows(scratch.branch_TD), mid_TD = rows(cache.mid_TD), out_TD = rows(cache.out_TD);
  const auto mean = [num_tokens](View<T, 1> view) { return view.rows(0, num_tokens); };

  norm1_.forward(exec, rows(cache.norm1_TD), mean(cache.norm1_mean_T), mean(cache.norm1_rstd_T), x);
  attention_.forward(exec, branch_TD, rows(cache.norm1_TD), context.seq_len, rope, cache.attention, scratch.attention,
                     past);
  residual_forward<T>(exec, mid_TD.flat(), x.flat(), branch_TD.flat());
  norm2_.forward(exec, rows(cache.norm2_TD), mean(cache.norm2_mean_T), mean(cache.norm2_rstd_T), mid_TD);
  if (moe_) {
    moe_->forward(exec, branch_TD, rows(cache.norm2_TD), context, cache.moe, *stats);
  } else {
    feed_forward_->forward(exec, branch_TD, rows(cache.norm2_TD), cache.feed_forward);
  }
  residual_forward<T>(exec, out_TD.flat(), mid_TD.flat(), branch_TD.flat());
}

template <class T>
void Block<T>::backward(Exec& exec, View<T, 2> d_x, In<T, 2> x, const RoutingContext& context,
                        const RopeTables<T>& rope, BlockCache<T>& cache, BlockScratch<T>& scratch,
                        View<T, 2> d_branch_TD, const BalanceGradient& balance) {
  const std::size_t num_tokens = x.shape(0);
  const auto rows = [num_tokens](auto view) { return view.rows(0, num_tokens); };
  const View<T, 2> d_norm_TD = rows(scratch.branch_TD);

  // The FFN branch: d_x is the gradient of the block's output and, through the residual, already part of d_mid.
  if (moe_) {
    moe_->backward(exec, d_norm_TD, d_x, rows(cache.norm2_TD), context, cache.moe, balance);
  } else {
    feed_forward_->backward(exec, d_norm_TD, d_x, rows(cache.norm2_TD), cache.feed_forward);
  }
  norm2_.backward(exec, d_branch_TD, d_norm_TD, rows(cache.mid_TD), rows(cache.norm2_mean_T), rows(cache.norm2_rstd_T));
  add_inplace<T>(exec, d_x.flat(), d_branch_TD.flat());

  attention_.backward(exec, d_norm_TD, d_x, rows(cache.norm1_TD), context.seq_len, rope, cache.attention,
                      scratch.attention);
  norm1_.backward(exec, d_branch_TD, d_norm_TD, x, rows(cache.norm1_mean_T), rows(cache.norm1_rstd_T));
  add_inplace<T>(exec, d_x.flat(), d_branch_TD.flat());
}

template struct BlockCache<float>;
template struct BlockCache<double>;
template struct BlockScratch<float>;
template struct BlockScratch<double>;
template class Block<float>;
template class Block<double>;

}  // namespace minimoe
