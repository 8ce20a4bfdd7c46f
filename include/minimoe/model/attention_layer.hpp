// SPDX-License-Identifier: Apache-2.0
// Causal self-attention with its projections, rotary positions and QK norm.
#pragma once

#include "minimoe/core/arena.hpp"
#include "minimoe/model/model_config.hpp"
#include "minimoe/model/norm_layer.hpp"
#include "minimoe/ops/cached_attention.hpp"

namespace minimoe {

template <class T>
struct AttentionCache {
  View<T, 2> qkv_TM;        ///< what attention reads: projected, normed, rotated
  View<T, 2> projected_TM;  ///< before the QK norm; absent without one
  View<T, 2> qk_rstd_TN;    ///< [T, N], N the norms of a token: of its queries, then keys; absent without one
  View<T, 2> lse_TH;
  View<T, 2> attended_TD;  ///< input of the output projection

  void plan(Arena& arena, const ModelConfig& config, std::size_t max_tokens);
};

template <class T>
struct AttentionScratch {
  View<T, 2> d_qkv_TM;
  View<T, 2> d_attended_TD;
  View<T, 2> worker_scratch;  ///< [num_threads, attention_scratch_size]

  void plan(Arena& arena, const ModelConfig& config, std::size_t batch_size, std::size_t seq_len, int num_threads,
            bool with_backward);
};

/// What a layer keeps of the tokens before those of a call.
template <class T>
struct Past {
  KeyValues<T> kept;  ///< of `length` tokens, then of the call's
  std::size_t length = 0;
};

/// Rotary tables, from the first token's position on; absent for learned positions.
template <class T>
struct RopeTables {
  View<const T, 2> cos, sin;
};

template <class T>
class Attention {
 public:
  Attention(const ModelConfig& config, MemoryResource* resource);

  /// Registers prefix.qkv.{weight,bias}, prefix.proj.{weight,bias}, prefix.{q_norm,k_norm}.weight ([head_dim] each, or
  /// [D] and [num_kv_heads * head_dim] over the full width).
  void collect_parameters(const std::string& prefix, ParameterList<T>& list);
  /// @param y, x [B * S, D]. @param past of one sequence (B = 1), to which the tokens of x are added; null: none.
  void forward(Exec& exec, View<T, 2> y, In<T, 2> x, std::size_t seq_len, const RopeTables<T>& rope,
               AttentionCache<T>& cache, AttentionScratch<T>& scratch, const Past<T>* past = nullptr) const;
  void backward(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> x, std::size_t seq_len, const RopeTables<T>& rope,
                AttentionCache<T>& cache, AttentionScratch<T>& scratch);

 private:
  AttentionShape shape(std::size_t num_tokens, std::size_t seq_len) const;
  /// Those of the queries and of the keys.
  std::array<View<T, 2>, 2> qk_rstd(const AttentionCache<T>& cache, std::size_t num_tokens) const;
  /// Where the keys begin, counted in widths of their norm.
  std::size_t first_k_norm() const { return num_heads_ * num_k_norms_ / num_kv_heads_; }

  std::size_t num_heads_, num_kv_heads_, head_dim_;
  std::size_t num_q_norms_, num_k_norms_;  // of a token
  double norm_eps_, init_std_, residual_init_std_;
  RopePairing pairing_;
  Parameter<T, 2> qkv_weight_, proj_weight_;
  Parameter<T, 1> qkv_bias_, proj_bias_, q_norm_, k_norm_;
};

}  // namespace minimoe
