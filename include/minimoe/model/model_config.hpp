// SPDX-License-Identifier: Apache-2.0
// Everything that defines a MiniGPT, and what it costs.
#pragma once

#include "minimoe/moe/moe_config.hpp"
#include "minimoe/ops/rope.hpp"

namespace minimoe {

enum class NormKind { kLayerNorm, kRmsNorm };
enum class PositionKind { kLearned, kRope };

struct ModelConfig {
  std::size_t vocab_size = 256;  ///< V
  std::size_t max_seq_len = 64;  ///< longest sequence; rows of the learned position table
  std::size_t num_layers = 2;    ///< L
  std::size_t d_model = 64;      ///< D, a multiple of num_heads
  std::size_t num_heads = 4;     ///< H
  std::size_t num_kv_heads = 0;  ///< divides num_heads; 0: num_heads
  std::size_t d_ff = 256;        ///< F of the dense blocks

  NormKind norm = NormKind::kLayerNorm;
  PositionKind position = PositionKind::kLearned;
  FfnKind ffn = FfnKind::kGelu;  ///< of dense blocks and experts
  Gelu gelu = Gelu::kTanh;
  bool attention_bias = true;         ///< biases on the attention projections
  bool attention_output_bias = true;  ///< with attention_bias: on the output projection too (Qwen2: false)
  bool qk_norm = false;               ///< RMS norm of each query and key head
  bool qk_norm_full_width = false;    ///< over all queries, and all keys, of a token at once (OLMoE); needs qk_norm
  bool tied_embeddings = false;       ///< the head shares the token embedding's weight
  double rope_theta = 10000;
  RopePairing rope_pairing = RopePairing::kHalfSplit;
  double norm_eps = 1e-5;
  double init_std = 0.02;  ///< start of matrices and embeddings; residual projections are scaled by 1/sqrt(2L)

  std::vector<std::size_t> moe_layers;  ///< blocks whose FFN is an MoE layer, ascending; empty: a dense model
  MoEConfig moe;  ///< of those blocks; d_model, ffn, gelu and init_std are taken from the fields above

  std::size_t head_dim() const { return d_model / num_heads; }
  std::size_t kv_heads() const { return num_kv_heads ? num_kv_heads : num_heads; }
  bool has_output_bias() const { return attention_bias && attention_output_bias; }
  /// Queries, and keys, that one RMS norm of the QK norm runs over.
  std::size_t q_norm_width() const { return qk_norm_full_width ? d_model : head_dim(); }
  std::size_t k_norm_width() const { return qk_norm_full_width ? kv_heads() * head_dim() : head_dim(); }
  bool is_moe_layer(std::size_t layer) const;
  /// The layer configurations that follow from the fields above.
  MoEConfig moe_config() const;
  FeedForwardConfig feed_forward_config() const;
  /// One message for each bad field, prefixed by its key ("model.num_heads: ..."); empty when all is well.
  std::vector<std::string> problems() const;
};

/// LayerNorm, learned positions, GELU (tanh), biases.
ModelConfig gpt2_preset();
/// RMSNorm, RoPE (half-split), SwiGLU, no biases.
ModelConfig llama_preset();

struct ModelCost {
  std::size_t total_parameters = 0;
  std::size_t active_parameters = 0;  ///< used by one token: of the experts only K of E
  /// Multiply-adds times two of one token's forward and backward pass (3 times the forward) at sequence length seq_len,
  /// matrix products and attention only.
  double train_flops_per_token = 0;
};

ModelCost model_cost(const ModelConfig& config, std::size_t seq_len);

}  // namespace minimoe
