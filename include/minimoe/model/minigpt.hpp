// SPDX-License-Identifier: Apache-2.0
// A small GPT whose feed-forward networks are dense or Mixture-of-Experts, block by block.
#pragma once

#include <deque>

#include "minimoe/model/block.hpp"
#include "minimoe/ops/cross_entropy.hpp"

namespace minimoe {

/// Token ids of one forward call.
struct TokenBatch {
  View<const std::int32_t, 1> tokens;  ///< [B * S]
  View<const std::uint8_t, 1> valid;   ///< [B * S], 0 = padding on the right; absent: none
  std::size_t batch_size = 0;          ///< B
  std::size_t seq_len = 0;             ///< S <= max_seq_len
  bool dropless = false;               ///< forward as if the MoE layers had no capacity limit
};

/// Activations and scratch of one forward/backward pair; owned by the caller and planned once for the largest batch.
template <class T>
struct ModelCache {
  std::deque<BlockCache<T>> blocks;
  View<T, 2> embedded_TD;    ///< input of block 0
  View<T, 2> final_norm_TD;  ///< input of the head
  View<T, 1> final_mean_T, final_rstd_T;
  View<T, 2> logits_TV;  ///< valid after forward; backward_from_loss overwrites it with its gradient
  View<T, 1> lse_T;
  View<T, 2> d_x_TD, d_y_TD;          ///< gradients that travel down the residual stream
  BlockScratch<T> scratch;            ///< shared by the blocks
  std::vector<RoutingStats> routing;  ///< one per MoE layer, in block order, of the last forward

  void plan(Arena& arena, const ModelConfig& config, std::size_t max_batch_size, std::size_t max_seq_len,
            int num_threads, bool with_backward);
};

/// Activations and scratch of forward_next, planned once for the largest number of tokens of a call. The blocks share
/// them, and nothing in here is needed after a call.
template <class T>
struct NextCache {
  BlockCache<T> dense, moe;
  BlockScratch<T> scratch;
  View<T, 2> x_TD, final_norm_TD;
  View<T, 1> final_mean_T, final_rstd_T;
  RoutingStats routing;

  /// @param capacity tokens of the whole sequence. @param max_tokens of one call.
  void plan(Arena& arena, const ModelConfig& config, std::size_t capacity, std::size_t max_tokens, int num_threads);
};

/// What the parts of the loss weigh in one backward call.
struct LossScale {
  double cross_entropy = 0;  ///< usually 1 / number of targets of the optimizer step
  /// Per MoE layer, in block order; empty: no balance losses.
  std::vector<BalanceGradient> balance;
};

/// The weights [N, K] of a model's linear layers, stacked experts one by one, with the head: all that a token reads but
/// rows of embeddings, biases and norms. @param parameters of a model with this config.
template <class T>
std::vector<View<const T, 2>> linear_weights(const ParameterList<T>& parameters, const ModelConfig& config);

template <class T>
class MiniGPT {
 public:
  /// @throws Error(kInvalidArgument) listing every problem of config.
  explicit MiniGPT(const ModelConfig& config, MemoryResource* resource = nullptr);

  const ModelConfig& config() const { return config_; }
  /// Every parameter and buffer, in a fixed order; names as in blocks.0.attn.qkv.weight.
  ParameterList<T> parameters();
  /// GPT-2 start values, addressed by (seed, name, index).
  void initialize(std::uint64_t seed) { initialize_parameters(parameters(), seed); }

  /// Fills cache.logits_TV and cache.routing. training chooses the MoE layers' capacity factor.
  void forward(Exec& exec, const TokenBatch& batch, bool training, ModelCache<T>& cache) const;
  /// Goes on with one sequence: tokens [n] follow the ones that `past`, one entry a block, holds, and are added to it.
  /// @param logits [m, V], m <= n: of the last m tokens. On the native backend they are, for any n at a time, bit for
  ///   bit what forward gives for the whole sequence, as long as no capacity limits the MoE layers.
  void forward_next(Exec& exec, View<const std::int32_t, 1> tokens, std::deque<Past<T>>& past, NextCache<T>& cache,
                    View<T, 2> logits) const;
  /// Cross entropy of cache.logits_TV against targets [B * S].
  CrossEntropySum loss(Exec& exec, View<const std::int32_t, 1> targets, ModelCache<T>& cache) const;
  /// Accumulates the gradients of scale.cross_entropy * (sum of cross entropies) plus the balance losses, after forward
  /// and loss of the same batch. Parameters must have gradients bound.
  void backward(Exec& exec, const TokenBatch& batch, View<const std::int32_t, 1> targets, const LossScale& scale,
                ModelCache<T>& cache);

  std::size_t num_moe_layers() const { return config_.moe_layers.size(); }
  /// The i-th MoE layer, in block order.
  MoELayer<T>& moe_layer(std::size_t i);
  const MoELayer<T>& moe_layer(std::size_t i) const;

 private:
  void check_batch(const char* where, const TokenBatch& batch, const ModelCache<T>& cache) const;

  RopeTables<T> rope() const { return {rope_cos_.value, rope_sin_.value}; }
  void head(Exec& exec, View<T, 2> logits, View<T, 2> normed, View<T, 1> mean, View<T, 1> rstd, In<T, 2> x) const;

  ModelConfig config_;
  Parameter<T, 2> token_embedding_, position_embedding_, head_;
  Parameter<T, 2> rope_cos_, rope_sin_;  // computed, in no registry
  std::deque<Block<T>> blocks_;
  Norm<T> final_norm_;
};

}  // namespace minimoe
