// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/attention_layer.hpp"

#include <algorithm>

#include "minimoe/core/profile.hpp"
#include "minimoe/ops/linear.hpp"

namespace minimoe {
namespace {

// Two products of [queries, head_dim] and [head_dim, keys] a head; of the keys that are not kept from before, half are
// masked.
double attention_flops(const AttentionShape& shape, std::size_t num_kept = 0) {
  return product_flops(shape.num_tokens(), 2 * num_kept + shape.seq_len + 1, shape.width());
}

}  // namespace

template <class T>
void AttentionCache<T>::plan(Arena& arena, const ModelConfig& config, std::size_t max_tokens) {
  const std::size_t width = (config.num_heads + 2 * config.kv_heads()) * config.head_dim();
  qkv_TM = arena.take<T, 2>({max_tokens, width});
  if (config.qk_norm) {
    projected_TM = arena.take<T, 2>({max_tokens, width});
    const std::size_t num_norms = config.qk_norm_full_width ? 2 : config.num_heads + config.kv_heads();
    qk_rstd_TN = arena.take<T, 2>({max_tokens, num_norms});
  }
  lse_TH = arena.take<T, 2>({max_tokens, config.num_heads});
  attended_TD = arena.take<T, 2>({max_tokens, config.d_model});
}

template <class T>
void AttentionScratch<T>::plan(Arena& arena, const ModelConfig& config, std::size_t batch_size, std::size_t seq_len,
                               int num_threads, bool with_backward) {
  const AttentionShape shape{batch_size, seq_len, config.num_heads, config.kv_heads(), config.head_dim()};
  worker_scratch = arena.take<T, 2>({static_cast<std::size_t>(num_threads), attention_scratch_size(shape)});
  if (with_backward) {
    d_qkv_TM = arena.take<T, 2>({shape.num_tokens(), shape.qkv_width()});
    d_attended_TD = arena.take<T, 2>({shape.num_tokens(), config.d_model});
  }
}

template <class T>
Attention<T>::Attention(const ModelConfig& config, MemoryResource* resource)
    : num_heads_(config.num_heads),
      num_kv_heads_(config.kv_heads()),
      head_dim_(config.head_dim()),
      num_q_norms_(config.qk_norm_full_width ? 1 : num_heads_),
      num_k_norms_(config.qk_norm_full_width ? 1 : num_kv_heads_),
      norm_eps_(config.norm_eps),
      init_std_(config.init_std),
      residual_init_std_(config.feed_forward_config().init_std_down),
      pairing_(config.rope_pairing) {
  const std::size_t width = (num_heads_ + 2 * num_kv_heads_) * head_dim_;
  qkv_weight_ = make_parameter<T, 2>({width, config.d_model}, resource);
  proj_weight_ = make_parameter<T, 2>({config.d_model, config.d_model}, resource);
  if (config.attention_bias) qkv_bias_ = make_parameter<T, 1>({width}, resource);
  if (config.has_output_bias()) proj_bias_ = make_parameter<T, 1>({config.d_model}, resource);
  if (config.qk_norm) {
    q_norm_ = make_parameter<T, 1>({config.q_norm_width()}, resource);
    k_norm_ = make_parameter<T, 1>({config.k_norm_width()}, resource);
  }
}

template <class T>
void Attention<T>::collect_parameters(const std::string& prefix, ParameterList<T>& list) {
  ParameterTraits matrix, residual, ones;
  matrix.decay = residual.decay = Decay::kYes;
  matrix.init_std = init_std_;
  residual.init_std = residual_init_std_;
  ones.init_value = 1;
  add_parameter(list, prefix + ".qkv.weight", qkv_weight_, matrix);
  add_parameter(list, prefix + ".qkv.bias", qkv_bias_, {});
  add_parameter(list, prefix + ".q_norm.weight", q_norm_, ones);
  add_parameter(list, prefix + ".k_norm.weight", k_norm_, ones);
  add_parameter(list, prefix + ".proj.weight", proj_weight_, residual);
  add_parameter(list, prefix + ".proj.bias", proj_bias_, {});
}

template <class T>
AttentionShape Attention<T>::shape(std::size_t num_tokens, std::size_t seq_len) const {
  return {num_tokens / seq_len, seq_len, num_heads_, num_kv_heads_, head_dim_};
}

template <class T>
std::array<View<T, 2>, 2> Attention<T>::qk_rstd(const AttentionCache<T>& cache, std::size_t num_tokens) const {
  T* all = cache.qk_rstd_TN.data();
  return {View<T, 2>(all, {num_tokens, num_q_norms_}),
          View<T, 2>(all + num_tokens * num_q_norms_, {num_tokens, num_k_norms_})};
}

template <class T>
void Attention<T>::forward(Exec& exec, View<T, 2> y, In<T, 2> x, std::size_t seq_len, const RopeTables<T>& rope,
                           AttentionCache<T>& cache, AttentionScratch<T>& scratch, const Past<T>* past) const {
  const std::size_t num_tokens = x.shape(0), width = x.shape(1);
  const View<T, 2> qkv_TM = cache.qkv_TM.rows(0, num_tokens);
  const View<T, 2> attended_TD = cache.attended_TD.rows(0, num_tokens);
  ProfileScope scope(exec, Pass::kForward, Operation::kQkv, product_flops(num_tokens, qkv_TM.shape(1), width));
  if (q_norm_) {
    const View<T, 2> projected_TM = cache.projected_TM.rows(0, num_tokens);
    linear_forward<T>(exec, projected_TM, x, qkv_weight_.value, qkv_bias_.value);
    scope.next(Operation::kRope);
    std::copy_n(projected_TM.data(), projected_TM.size(), qkv_TM.data());  // the values pass unchanged
    const auto [q_rstd_TN, k_rstd_TN] = qk_rstd(cache, num_tokens);
    head_rms_norm_forward<T>(exec, qkv_TM, q_rstd_TN, projected_TM, q_norm_.value, 0, num_q_norms_, norm_eps_);
    head_rms_norm_forward<T>(exec, qkv_TM, k_rstd_TN, projected_TM, k_norm_.value, first_k_norm(), num_k_norms_,
                             norm_eps_);
  } else {
    linear_forward<T>(exec, qkv_TM, x, qkv_weight_.value, qkv_bias_.value);
  }
  if (rope.cos) {
    scope.next(Operation::kRope);
    rope_forward<T>(exec, qkv_TM, num_heads_ + num_kv_heads_, seq_len, rope.cos, rope.sin, pairing_);
  }
  scope.next(Operation::kAttention, attention_flops(shape(num_tokens, seq_len), past ? past->length : 0));
  if (past) store_keys_and_values<T>(past->kept, qkv_TM, shape(num_tokens, seq_len), past->length);
  if (past && past->length > 0) {
    cached_attention_forward<T>(exec, attended_TD, qkv_TM, past->kept, shape(num_tokens, seq_len), past->length,
                                scratch.worker_scratch);
  } else {
    causal_attention_forward<T>(exec, attended_TD, cache.lse_TH.rows(0, num_tokens), qkv_TM, shape(num_tokens, seq_len),
                                scratch.worker_scratch);
  }
  scope.next(Operation::kProj, product_flops(num_tokens, width, width));
  linear_forward<T>(exec, y, attended_TD, proj_weight_.value, proj_bias_.value);
}

template <class T>
void Attention<T>::backward(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> x, std::size_t seq_len,
                            const RopeTables<T>& rope, AttentionCache<T>& cache, AttentionScratch<T>& scratch) {
  const std::size_t num_tokens = x.shape(0), width = x.shape(1);
  const View<T, 2> qkv_TM = cache.qkv_TM.rows(0, num_tokens);
  const View<T, 2> attended_TD = cache.attended_TD.rows(0, num_tokens);
  const View<T, 2> d_qkv_TM = scratch.d_qkv_TM.rows(0, num_tokens);
  const View<T, 2> d_attended_TD = scratch.d_attended_TD.rows(0, num_tokens);
  ProfileScope scope(exec, Pass::kBackward, Operation::kProj, 2 * product_flops(num_tokens, width, width));
  linear_backward<T>(exec, d_attended_TD, proj_weight_.gradient, proj_bias_.gradient, d_y, attended_TD,
                     proj_weight_.value);
  // Five products where forward has two: the scores are computed again.
  scope.next(Operation::kAttention, 2.5 * attention_flops(shape(num_tokens, seq_len)));
  causal_attention_backward<T>(exec, d_qkv_TM, d_attended_TD, attended_TD, cache.lse_TH.rows(0, num_tokens), qkv_TM,
                               shape(num_tokens, seq_len), scratch.worker_scratch);
  if (rope.cos || q_norm_) scope.next(Operation::kRope);
  if (rope.cos) rope_backward<T>(exec, d_qkv_TM, num_heads_ + num_kv_heads_, seq_len, rope.cos, rope.sin, pairing_);
  if (q_norm_) {
    const View<T, 2> projected_TM = cache.projected_TM.rows(0, num_tokens);
    const auto [q_rstd_TN, k_rstd_TN] = qk_rstd(cache, num_tokens);
    head_rms_norm_backward<T>(exec, d_qkv_TM, q_norm_.gradient, d_qkv_TM, projected_TM, q_norm_.value, q_rstd_TN, 0,
                              num_q_norms_);
    head_rms_norm_backward<T>(exec, d_qkv_TM, k_norm_.gradient, d_qkv_TM, projected_TM, k_norm_.value, k_rstd_TN,
                              first_k_norm(), num_k_norms_);
  }
  scope.next(Operation::kQkv, 2 * product_flops(num_tokens, qkv_TM.shape(1), width));
  linear_backward<T>(exec, d_x, qkv_weight_.gradient, qkv_bias_.gradient, d_qkv_TM, x, qkv_weight_.value);
}

template struct AttentionCache<float>;
template struct AttentionCache<double>;
template struct AttentionScratch<float>;
template struct AttentionScratch<double>;
template class Attention<float>;
template class Attention<double>;

}  // namespace minimoe
