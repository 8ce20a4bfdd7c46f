// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "data/bpe/byte_characters.hpp"
#include "data/bpe/tokenizer_json.hpp"
#include "exchange/gguf_model.hpp"
#include "exchange/gguf_write.hpp"
#include "exchange/hf_config.hpp"
#include "exchange/hf_tensors.hpp"
#include "minimoe/exchange/gguf.hpp"

namespace minimoe {
namespace {

void add_gguf_config(GgufMetadata& out, GgufArchitecture architecture, const ModelConfig& config) {
  const std::string name = gguf_architecture_name(architecture);
  const auto add = [&](const char* key, auto value) { out.add(concat(name, '.', key), value); };
  out.add("general.architecture", name);
  out.add("general.type", "model");
  out.add("general.file_type", std::size_t{0});  // all F32
  out.add("general.alignment", std::size_t{kGgufAlignment});
  add("vocab_size", config.vocab_size);
  add("context_length", config.max_seq_len);
  add("embedding_length", config.d_model);
  add("block_count", config.num_layers);
  const bool moe = !config.moe_layers.empty();
  const bool experts_width = moe && gguf_has_one_width(architecture);
  add("feed_forward_length", experts_width ? config.moe.d_expert : config.d_ff);
  add("attention.head_count", config.num_heads);
  add("attention.head_count_kv", config.kv_heads());
  add(config.norm == NormKind::kLayerNorm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
      config.norm_eps);
  if (config.position == PositionKind::kRope) {
    add("attention.key_length", config.head_dim());
    add("attention.value_length", config.head_dim());
    add("rope.dimension_count", config.head_dim());
    add("rope.freq_base", config.rope_theta);
  }
  if (!moe) return;
  add("expert_count", config.moe.num_experts);
  add("expert_used_count", config.moe.top_k);
  if (!experts_width) add("expert_feed_forward_length", config.moe.d_expert);
  const std::size_t shared_width = config.moe.num_shared_experts * config.moe.d_expert;
  if (architecture == GgufArchitecture::kQwen2Moe) add("expert_shared_feed_forward_length", shared_width);
  if (architecture != GgufArchitecture::kErnie45Moe) return;
  add("leading_dense_block_count", config.moe_layers.front());
  add("interleave_moe_layer_step", std::size_t{1});
  add("expert_shared_count", config.moe.num_shared_experts);
  add("expert_shared_feed_forward_length", shared_width);
}

void add_gguf_vocabulary(GgufMetadata& out, const BpeTokenizer& tokenizer, const std::string& name,
                         std::size_t vocab_size) {
  constexpr std::int32_t kNormal = 1, kUnused = 5;
  require(tokenizer.vocab_size() <= vocab_size, "export_gguf: ", name, " has ", tokenizer.vocab_size(),
          " tokens, the model ", vocab_size);
  std::vector<std::string> tokens, merges;
  for (const std::string& token : tokenizer.tokens()) tokens.push_back(visible_bytes(token));
  std::vector<std::int32_t> types(tokens.size(), kNormal);
  types.resize(vocab_size, kUnused);
  for (const BpeMerge& merge : tokenizer.merges())
    merges.push_back(concat(tokens[merge.left], ' ', tokens[merge.right]));
  // llama.cpp takes token 11 as end of text unless it is told another: a byte that is in no UTF-8 text.
  auto end = std::find(tokens.begin(), tokens.end(), "<|endoftext|>");
  if (end == tokens.end()) end = std::find(tokens.begin(), tokens.end(), visible_bytes("\xff"));
  const std::size_t end_id = static_cast<std::size_t>(end - tokens.begin());
  // No token has a space, whose byte is shown as another character.
  while (tokens.size() < vocab_size) tokens.push_back(concat("[PAD ", tokens.size(), ']'));
  out.add("tokenizer.ggml.model", "gpt2");
  out.add("tokenizer.ggml.pre", "gpt-2");
  out.add("tokenizer.ggml.tokens", tokens);
  out.add("tokenizer.ggml.token_type", types);
  out.add("tokenizer.ggml.merges", merges);
  out.add("tokenizer.ggml.bos_token_id", end_id);
  out.add("tokenizer.ggml.eos_token_id", end_id);
  out.add("tokenizer.ggml.add_bos_token", false);
}

/// Refuses an expert_bias that may choose experts whose probabilities sum to less than llama.cpp divides by: with a
/// smaller spread the K chosen have, each, at least the largest probability (1/E or more) less the spread.
template <class T>
void check_expert_bias(const ModelConfig& config, const ParameterList<T>& parameters) {
  constexpr double kLeastSum = 0x1p-14;  // the smallest normal float16
  const auto num_experts = static_cast<double>(config.moe.num_experts), top_k = static_cast<double>(config.moe.top_k);
  const double bound = 1 / num_experts - kLeastSum / top_k;
  if (config.moe.top_k >= config.moe.num_experts) return;
  for (const ParameterRef<T>& p : parameters) {
    if (p.role != Role::kBuffer) continue;
    const auto [least, most] = std::minmax_element(p.value, p.value + p.size());
    const double spread = static_cast<double>(*most) - static_cast<double>(*least);
    if (spread <= bound) continue;
    throw Error(ErrorCode::kUnsupported,
                concat("GGUF: ", p.name, " is spread over ", spread, ", above ", bound, " (1/num_experts - ", kLeastSum,
                       "/top_k), where llama.cpp may compute another model; ",
                       "train it with a smaller model.moe.bias_update_rate",
                       find_hf_type(config, true) ? ", or take format \"hf\", which holds it" : ""));
  }
}

/// Refuses a gate of the shared experts that is 0: llama.cpp divides silu(x . w) by x . w.
template <class T>
void check_shared_gate(const ParameterList<T>& parameters) {
  for (const ParameterRef<T>& p : parameters) {
    if (!p.name.ends_with(".shared_gate.weight")) continue;
    if (std::any_of(p.value, p.value + p.size(), [](T v) { return static_cast<float>(v) != 0; })) continue;
    throw Error(ErrorCode::kUnsupported,
                concat("GGUF: ", p.name,
                       " is 0 everywhere (in float32), where llama.cpp computes 0/0; train it, or take "
                       "format \"hf\", which holds it"));
  }
}

template <class T>
GgufArchitecture checked_architecture(const ModelConfig& config, const ParameterList<T>& parameters) {
  const GgufArchitecture architecture = choose_gguf_architecture(config, has_expert_bias(parameters));
  check_expert_bias(config, parameters);
  check_shared_gate(parameters);
  return architecture;
}

}  // namespace

template <class T>
void check_gguf(const ModelConfig& config, const ParameterList<T>& parameters) {
  GgufMetadata metadata;
  add_gguf_config(metadata, checked_architecture(config, parameters), config);
}

template <class T>
void export_gguf(const std::string& path, const ModelConfig& config, const ParameterList<T>& parameters,
                 const std::string& tokenizer_json, const std::string& tokenizer_name) {
  const GgufArchitecture architecture = checked_architecture(config, parameters);
  GgufMetadata metadata;
  add_gguf_config(metadata, architecture, config);
  if (tokenizer_json.empty()) {
    metadata.add("tokenizer.ggml.model", "none");
  } else {
    add_gguf_vocabulary(metadata, read_tokenizer_json(tokenizer_json, tokenizer_name), tokenizer_name,
                        config.vocab_size);
  }
  std::map<std::string, const T*> values;
  for (const ParameterRef<T>& p : parameters) values[p.name] = p.value;
  std::vector<TensorToWrite> tensors;
  for (const GgufTensor& tensor : gguf_tensors(architecture, config)) {
    const T* from = values.at(tensor.parameter) + tensor.offset;
    TensorToWrite& out = tensors.emplace_back(TensorToWrite{tensor.name, TensorType::kF32, tensor.shape, from});
    if (std::is_same_v<T, float> && tensor.interleaved_heads == 0) continue;
    out.make = [tensor, from](void* to) {
      const std::size_t rows = tensor.shape[0], width = tensor.size() / rows;
      for (std::size_t row = 0; row < rows; ++row) {
        std::transform(from + tensor.source_row(row) * width, from + (tensor.source_row(row) + 1) * width,
                       static_cast<float*>(to) + row * width, [](T v) { return static_cast<float>(v); });
      }
    };
  }
  write_gguf(path, metadata, tensors);
}

template void check_gguf(const ModelConfig&, const ParameterList<float>&);
template void check_gguf(const ModelConfig&, const ParameterList<double>&);
template void export_gguf(const std::string&, const ModelConfig&, const ParameterList<float>&, const std::string&,
                          const std::string&);
template void export_gguf(const std::string&, const ModelConfig&, const ParameterList<double>&, const std::string&,
                          const std::string&);

}  // namespace minimoe
