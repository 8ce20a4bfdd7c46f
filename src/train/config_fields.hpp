// SPDX-License-Identifier: Apache-2.0
// The one list of configuration fields: reading, printing, checking, comparing and listing keys all walk it.
//
// A visitor has: integer(key, member, low, high, meaning), real(key, member, RealRange, meaning), flag(key, member,
// meaning), choice(key, member, names, meaning), text(key, member, meaning), word(key, member, words, meaning),
// integers / reals / words (the lists), and enter(key) / leave() around a nested object.
#pragma once

#include <limits>

#include "minimoe/train/run_config.hpp"

namespace minimoe::config {

template <class E>
struct Name {
  const char* name;
  E value;
};

struct RealRange {
  double low = 0, high = 1e6;
  bool above_low = false, below_high = false;  ///< the end itself is not allowed
};

inline constexpr Name<NormKind> kNormNames[] = {{"layer_norm", NormKind::kLayerNorm}, {"rms_norm", NormKind::kRmsNorm}};
inline constexpr Name<PositionKind> kPositionNames[] = {{"learned", PositionKind::kLearned},
                                                        {"rope", PositionKind::kRope}};
inline constexpr Name<FfnKind> kFfnNames[] = {{"gelu", FfnKind::kGelu}, {"swiglu", FfnKind::kSwiglu}};
inline constexpr Name<Gelu> kGeluNames[] = {{"tanh", Gelu::kTanh}, {"erf", Gelu::kErf}};
inline constexpr Name<RopePairing> kPairingNames[] = {{"half_split", RopePairing::kHalfSplit},
                                                      {"interleaved", RopePairing::kInterleaved}};
inline constexpr Name<GateOrder> kGateOrderNames[] = {{"auto", GateOrder::kAuto},
                                                      {"softmax_topk_renorm", GateOrder::kSoftmaxTopkRenorm},
                                                      {"softmax_topk", GateOrder::kSoftmaxTopk},
                                                      {"topk_softmax", GateOrder::kTopkSoftmax},
                                                      {"sigmoid_topk_renorm", GateOrder::kSigmoidTopkRenorm}};
inline constexpr Name<AuxLossScope> kScopeNames[] = {{"micro_batch", AuxLossScope::kMicroBatch},
                                                     {"sequence", AuxLossScope::kSequence},
                                                     {"global_batch", AuxLossScope::kGlobalBatch}};
inline constexpr Name<DropPriority> kPriorityNames[] = {{"position", DropPriority::kPosition},
                                                        {"probability", DropPriority::kProbability}};
inline constexpr Name<Schedule> kScheduleNames[] = {{"constant", Schedule::kConstant}, {"cosine", Schedule::kCosine}};
inline constexpr Name<Precision> kPrecisionNames[] = {{"fp32", Precision::kFloat32}, {"bf16", Precision::kBfloat16}};
inline const std::vector<std::string> kFormatWords = {"auto", "text", "jsonl", "conllu", "tokens", "llmc"};
inline const std::vector<std::string> kLanguageWords = {"en", "es"};
inline const std::vector<std::string> kPresetWords = {"gpt2", "llama"};

// Ends of the integer ranges. No product of sizes taken from these overflows 64 bits before it is checked against
// kMaxElements; the window number (steps * accumulation_steps * batch_size) stays below 2^63.
inline constexpr std::uint64_t kMaxWidth = std::uint64_t{1} << 16;
inline constexpr std::uint64_t kMaxHidden = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kMaxVocab = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kMaxSequence = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kMaxLayers = 1024;
inline constexpr std::uint64_t kMaxExperts = 4096;
inline constexpr std::uint64_t kMaxSteps = 1'000'000'000;
inline constexpr double kMaxElements = 1e12;  ///< of all parameters, and of a micro-batch's activations

template <class Visitor, class Config>
void visit_moe_fields(Visitor& v, Config& c) {
  v.integers("layers", c.moe_layers, 0, kMaxLayers - 1, kMaxLayers, "blocks whose FFN is an MoE layer, ascending");
  auto& m = c.moe;
  v.integer("num_experts", m.num_experts, 1, kMaxExperts, "experts of an MoE layer (E)");
  v.integer("top_k", m.top_k, 1, kMaxExperts, "experts that a token is sent to (K), at most num_experts");
  v.integer("d_expert", m.d_expert, 1, kMaxHidden, "hidden width of one expert");
  v.choice("gate_order", m.gate_order, kGateOrderNames, "how router logits become experts and weights");
  v.flag("allow_constant_gate", m.allow_constant_gate, "permit top_k = 1 with a weight that is always 1");
  v.real("routed_scale", m.routed_scale, {1e-6, 1e6}, "factor on the weights of sigmoid_topk_renorm");
  v.integer("num_shared_experts", m.num_shared_experts, 0, kMaxExperts, "shared experts, added to every token");
  v.flag("shared_expert_gate", m.shared_expert_gate, "shared experts times the sigmoid of a gate of the token");
  v.real("router_init_std", m.router_init_std, {0, 100}, "start of the router's weight; 0: a zero router");
  v.flag("router_bias", m.router_bias, "a trained bias on the router logits");
  v.reals("router_bias_init", m.router_bias_init, {-1e6, 1e6}, kMaxExperts, "start of the router bias; empty: zeros");
  v.real("router_learning_rate_factor", m.router_learning_rate_factor, {0, 1e6}, "times the router's learning rate");
  v.real("aux_loss_coef", m.aux_loss_coef, {0, 1e6}, "Switch load-balancing loss; 0: reported only");
  v.choice("aux_loss_scope", m.aux_loss_scope, kScopeNames, "tokens that the load-balancing loss looks at");
  v.real("z_loss_coef", m.z_loss_coef, {0, 1e6}, "router z-loss");
  v.flag("bias_balancing", m.bias_balancing, "balance by an expert bias that moves the choice only");
  v.real("bias_update_rate", m.bias_update_rate, {0, 1e3}, "step of the expert bias");
  v.flag("bias_centering", m.bias_centering, "subtract the mean from each update of the expert bias");
  v.flag("bias_guard", m.bias_guard, "warn once when bias balancing begins on a saturated router");
  v.real("capacity_factor", m.capacity_factor, {0, 1e6}, "slots an expert in training; 0: dropless");
  v.real("eval_capacity_factor", m.eval_capacity_factor, {0, 1e6}, "slots an expert in evaluation; 0: dropless");
  v.choice("drop_priority", m.drop_priority, kPriorityNames, "who keeps its slot over capacity");
}

/// Members that follow from others (moe.d_model, moe.ffn, moe.gelu, moe.init_std, moe.init_std_down) are no keys.
template <class Visitor, class Config>
void visit_model_fields(Visitor& v, Config& c) {
  v.integer("vocab_size", c.vocab_size, 0, kMaxVocab, "token ids; 0: those of the data");
  v.integer("max_seq_len", c.max_seq_len, 1, kMaxSequence, "longest sequence");
  v.integer("num_layers", c.num_layers, 1, kMaxLayers, "blocks");
  v.integer("d_model", c.d_model, 1, kMaxWidth, "width of the residual stream, a multiple of num_heads");
  v.integer("num_heads", c.num_heads, 1, kMaxWidth, "attention heads");
  v.integer("num_kv_heads", c.num_kv_heads, 0, kMaxWidth, "key and value heads; 0: num_heads");
  v.integer("d_ff", c.d_ff, 1, kMaxHidden, "hidden width of the dense blocks");
  v.choice("norm", c.norm, kNormNames, "normalisation");
  v.choice("position", c.position, kPositionNames, "position embedding");
  v.choice("ffn", c.ffn, kFfnNames, "feed-forward network of dense blocks and experts");
  v.choice("gelu", c.gelu, kGeluNames, "form of GELU");
  v.flag("attention_bias", c.attention_bias, "biases on the attention projections");
  v.flag("attention_output_bias", c.attention_output_bias, "with attention_bias: on the output projection too");
  v.flag("qk_norm", c.qk_norm, "RMS norm of each query and key head");
  v.flag("qk_norm_full_width", c.qk_norm_full_width, "with qk_norm: over all heads at once");
  v.flag("tied_embeddings", c.tied_embeddings, "the head shares the token embedding");
  v.real("rope_theta", c.rope_theta, {1, 1e12}, "base of the rotary frequencies");
  v.choice("rope_pairing", c.rope_pairing, kPairingNames, "which elements RoPE rotates together");
  v.real("norm_eps", c.norm_eps, {0, 1, true}, "added to the variance");
  v.real("init_std", c.init_std, {0, 100}, "start of matrices and embeddings");
  v.enter("moe");
  visit_moe_fields(v, c);
  v.leave();
}

template <class Visitor, class Config>
void visit_train_fields(Visitor& v, Config& c) {
  v.integer("steps", c.steps, 1, kMaxSteps, "optimizer steps");
  v.integer("batch_size", c.batch_size, 1, kMaxWidth, "sequences of a micro-batch");
  v.integer("seq_len", c.seq_len, 1, kMaxSequence, "tokens of a sequence; left out, at most model.max_seq_len");
  v.integer("accumulation_steps", c.accumulation_steps, 1, kMaxWidth, "micro-batches of an optimizer step");
  v.real("learning_rate", c.learning_rate, {0, 1e3}, "peak learning rate");
  v.real("min_learning_rate", c.min_learning_rate, {0, 1e3}, "where the cosine ends");
  v.integer("warmup_steps", c.warmup_steps, 0, kMaxSteps, "steps of linear warm-up");
  v.choice("schedule", c.schedule, kScheduleNames, "learning rate after the warm-up");
  v.real("beta1", c.beta1, {0, 1, false, true}, "AdamW, first moment");
  v.real("beta2", c.beta2, {0, 1, false, true}, "AdamW, second moment");
  v.real("adam_eps", c.adam_eps, {0, 1, true}, "AdamW, added to the root of the second moment");
  v.real("weight_decay", c.weight_decay, {0, 1e3}, "decoupled; matrices and embeddings only");
  v.real("clip_norm", c.clip_norm, {0, 1e9}, "largest global gradient norm; 0: no clipping");
  v.choice("precision", c.precision, kPrecisionNames,
           "operands of products with weights, those of the router and the shared experts' gate excepted");
  v.integer("seed", c.seed, 0, std::numeric_limits<std::uint64_t>::max(), "start values and training windows");
}

template <class Visitor, class Config>
void visit_data_fields(Visitor& v, Config& c) {
  v.text("corpus", c.corpus, "grammar (embedded), or the path of a file");
  v.word("format", c.format, kFormatWords, "of a file");
  v.words("languages", c.languages, kLanguageWords, "of the grammar corpus");
  v.integer("num_eval_sentences", c.num_eval_sentences, 1, 1'000'000, "of the grammar corpus: a split's sentences");
  v.real("val_fraction", c.val_fraction, {0, 1, true},
         "share of a file kept for validation; 1: all of it, nothing to train on");
  v.text("tokenizer", c.tokenizer,
         "of text: auto (bytes; CoNLL-U: words), bpe:VOCAB (trained on it), or the path of a tokenizer.json");
  v.integer("max_vocab", c.max_vocab, 3, kMaxWidth, "most words of a CoNLL-U file");
}

template <class Visitor, class Config>
void visit_run_fields(Visitor& v, Config& c) {
  v.enter("model");
  visit_model_fields(v, c.model);
  v.leave();
  v.enter("train");
  visit_train_fields(v, c.train);
  v.leave();
  v.enter("data");
  visit_data_fields(v, c.data);
  v.leave();
}

}  // namespace minimoe::config
