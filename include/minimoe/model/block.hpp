// SPDX-License-Identifier: Apache-2.0
// One pre-norm transformer block: x += attention(norm(x)); x += ffn(norm(x)), the FFN being dense or MoE.
#pragma once

#include <memory>

#include "minimoe/model/attention_layer.hpp"
#include "minimoe/moe/moe_layer.hpp"

namespace minimoe {

template <class T>
struct BlockCache {
  View<T, 1> norm1_mean_T, norm1_rstd_T, norm2_mean_T, norm2_rstd_T;
  View<T, 2> norm1_TD;  ///< input of attention
  View<T, 2> mid_TD;    ///< residual stream after attention
  View<T, 2> norm2_TD;  ///< input of the FFN
  View<T, 2> out_TD;    ///< residual stream after the block
  AttentionCache<T> attention;
  FeedForwardCache<T> feed_forward;
  MoECache<T> moe;

  void plan(Arena& arena, const ModelConfig& config, std::size_t layer, std::size_t max_tokens);
};

template <class T>
struct BlockScratch {
  AttentionScratch<T> attention;
  View<T, 2> branch_TD;  ///< a branch's output (forward) or gradient (backward) before it joins the residual stream

  void plan(Arena& arena, const ModelConfig& config, std::size_t batch_size, std::size_t seq_len, int num_threads,
            bool with_backward);
};

template <class T>
class Block {
 public:
  Block(const ModelConfig& config, std::size_t layer, MemoryResource* resource);

  void collect_parameters(const std::string& prefix, ParameterList<T>& list);
  /// Fills cache.out_TD from x [B * S, D], which may be the same memory. stats: of the MoE layer, may be null for a
  /// dense block. past: as in Attention::forward.
  void forward(Exec& exec, In<T, 2> x, const RoutingContext& context, const RopeTables<T>& rope, BlockCache<T>& cache,
               BlockScratch<T>& scratch, RoutingStats* stats, const Past<T>* past = nullptr) const;
  /// d_x holds the gradient of the block's output on entry and of its input on return.
  void backward(Exec& exec, View<T, 2> d_x, In<T, 2> x, const RoutingContext& context, const RopeTables<T>& rope,
                BlockCache<T>& cache, BlockScratch<T>& scratch, View<T, 2> d_branch_TD, const BalanceGradient& balance);

  MoELayer<T>* moe() { return moe_.get(); }
  const MoELayer<T>* moe() const { return moe_.get(); }

 private:
  Norm<T> norm1_, norm2_;
  Attention<T> attention_;
  std::unique_ptr<FeedForward<T>> feed_forward_;  // one of these two
  std::unique_ptr<MoELayer<T>> moe_;
};

}  // namespace minimoe
