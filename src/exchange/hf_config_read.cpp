// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "core/strict_json.hpp"
#include "exchange/hf_config.hpp"

namespace minimoe {
namespace {

using Kind = JsonValue::Kind;

/// Takes fields, and collects what is wrong with them and what this library cannot do. null is as good as no field.
class HfFields {
 public:
  HfFields(const JsonValue& root, std::string path) : root_(root), path_(std::move(path)) {}
  std::vector<std::string> wrong, unsupported;

  const JsonValue* find(const std::string& key) const {
    const JsonValue* value = root_.find(key);
    return value && value->kind != Kind::kNull ? value : nullptr;
  }
  bool empty() const { return root_.items.empty(); }
  /// Whether the field is there as null, where transformers does not take its default for it.
  bool is_null(const std::string& key) const { return root_.find(key) && !find(key); }
  /// A number under the first of `keys` that there is; without a default it must be there. Below `low` it is no model,
  /// above `high` one that this library does not take.
  void size(const std::vector<const char*>& keys, std::size_t& member, std::size_t low, std::size_t high,
            bool required = true) {
    for (const char* key : keys) {
      const JsonValue* value = find(key);
      if (!value) continue;
      if (value->kind != Kind::kUnsigned || value->integer < low) {
        return report(key, *value, concat("an integer ", low, "..", high));
      }
      if (value->integer > high) return refuse_unless(false, key, value->text, concat("at most ", high));
      member = value->integer;
      return;
    }
    if (required) wrong.push_back(path_ + keys[0] + " is missing");
  }
  void real(const char* key, double& member, double above, double most) {
    const JsonValue* value = find(key);
    if (!value) return;
    if (!value->is_number() || !(value->real > above && value->real <= most)) {
      return report(key, *value, concat("a number above ", above, ", at most ", most));
    }
    member = value->real;
  }
  void flag(const char* key, bool& member) {
    const JsonValue* value = find(key);
    if (!value) return;
    if (value->kind != Kind::kBool) return report(key, *value, "true or false");
    member = value->boolean;
  }
  void text(const char* key, std::string& member) {
    const JsonValue* value = find(key);
    if (!value) return;
    if (value->kind != Kind::kString) return report(key, *value, "a text");
    member = value->text;
  }
  /// A flag that must be as this library computes.
  void only(const char* key, bool allowed) {
    bool value = allowed;
    flag(key, value);
    refuse_unless(value == allowed, key, value ? "true" : "false", allowed ? "true" : "false");
  }
  /// The same of a text, `fallback` standing for a field that is not there.
  std::string one_of(const char* key, const char* fallback, const std::vector<std::string>& allowed) {
    std::string value = fallback, list;
    text(key, value);
    for (const std::string& word : allowed) list += (list.empty() ? "" : ", ") + word;
    refuse_unless(std::find(allowed.begin(), allowed.end(), value) != allowed.end(), key, in_quotes(value), list);
    return value;
  }
  void refuse_unless(bool good, const std::string& key, const std::string& came, const std::string& allowed) {
    if (!good) unsupported.push_back(concat(path_, key, ": ", came, ", this library has ", allowed));
  }
  void report(const std::string& key, const JsonValue& came, const std::string& allowed) {
    wrong.push_back(concat(path_, key, ": ", came.description(), ", allowed ", allowed));
  }
  /// The fields of the object `key`; none when it is not there.
  HfFields object(const char* key) {
    static const JsonValue kNone;
    const JsonValue* value = find(key);
    if (value && value->kind != Kind::kObject) {
      report(key, *value, "an object");
      value = nullptr;
    }
    return HfFields(value ? *value : kNone, path_ + key + ".");
  }
  void take_messages(const HfFields& of) {
    wrong.insert(wrong.end(), of.wrong.begin(), of.wrong.end());
    unsupported.insert(unsupported.end(), of.unsupported.begin(), of.unsupported.end());
  }

 private:
  const JsonValue& root_;
  std::string path_;
};

constexpr std::size_t kMostWidth = 65536, kMostHidden = std::size_t{1} << 20, kMostLayers = 1024, kMostExperts = 4096;
constexpr double kMostReal = 1e12;

void read_gpt2(HfFields& in, ModelConfig& c) {
  c = gpt2_preset();
  c.tied_embeddings = true;
  in.size({"n_positions", "max_position_embeddings", "n_ctx"}, c.max_seq_len, 1, kMostHidden);
  in.size({"n_embd", "hidden_size"}, c.d_model, 1, kMostWidth);
  in.size({"n_layer", "num_hidden_layers"}, c.num_layers, 1, kMostLayers);
  in.size({"n_head", "num_attention_heads"}, c.num_heads, 1, kMostWidth);
  c.d_ff = 4 * c.d_model;
  in.size({"n_inner"}, c.d_ff, 1, kMostHidden, false);
  const std::string gelu =
      in.one_of("activation_function", "gelu_new", {"gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu"});
  c.gelu = gelu == "gelu" ? Gelu::kErf : Gelu::kTanh;
  in.real("layer_norm_epsilon", c.norm_eps, 0, 1);
  in.only("scale_attn_weights", true);
  in.only("scale_attn_by_inverse_layer_idx", false);
  in.only("add_cross_attention", false);
}

void read_theta(HfFields& in, ModelConfig& c) {
  double theta = c.rope_theta;
  in.real("rope_theta", theta, 0, kMostReal);
  in.refuse_unless(theta >= 1, "rope_theta", concat(theta), concat("1 to ", kMostReal));
  if (theta >= 1) c.rope_theta = theta;
}

/// rope_parameters (5), or rope_scaling (4) with rope_theta beside it. A rope_scaling with anything in it wins, whole,
/// as in transformers 5; rope_theta beside them is for the one that has none of its own.
void read_rope(HfFields& in, ModelConfig& c, double default_theta) {
  c.rope_theta = default_theta;
  read_theta(in, c);
  HfFields scaling = in.object("rope_scaling"), parameters = in.object("rope_parameters");
  HfFields& rope = scaling.empty() ? parameters : scaling;
  read_theta(rope, c);
  rope.one_of("rope_type", "default", {"default"});
  rope.one_of("type", "default", {"default"});
  double factor = 1;
  rope.real("partial_rotary_factor", factor, 0, 1);
  rope.refuse_unless(factor == 1, "partial_rotary_factor", concat(factor), "1");
  in.take_messages(rope);
  factor = 1;
  in.real("partial_rotary_factor", factor, 0, 1);
  in.refuse_unless(factor == 1, "partial_rotary_factor", concat(factor), "1");
}

/// What the architectures after GPT-2 have in common. `kv_heads` 0: as many as heads.
void read_decoder(HfFields& in, ModelConfig& c, double theta, double eps, std::size_t kv_heads, bool tied) {
  c = llama_preset();
  c.tied_embeddings = tied;
  c.norm_eps = eps;
  in.size({"max_position_embeddings"}, c.max_seq_len, 1, kMostHidden);
  in.size({"hidden_size"}, c.d_model, 1, kMostWidth);
  in.size({"num_hidden_layers"}, c.num_layers, 1, kMostLayers);
  in.size({"num_attention_heads"}, c.num_heads, 1, kMostWidth);
  in.size({"intermediate_size"}, c.d_ff, 1, kMostHidden);
  c.num_kv_heads = kv_heads;
  in.size({"num_key_value_heads"}, c.num_kv_heads, 1, kMostWidth, false);
  if (c.num_kv_heads == c.num_heads) c.num_kv_heads = 0;
  std::size_t head_dim = c.d_model / c.num_heads;
  in.size({"head_dim"}, head_dim, 1, kMostWidth, false);
  // A size that is refused already would only make a second message.
  in.refuse_unless(!in.unsupported.empty() || head_dim * c.num_heads == c.d_model, "head_dim", concat(head_dim),
                   concat("hidden_size / num_attention_heads = ", c.d_model, " / ", c.num_heads));
  in.one_of("hidden_act", "silu", {"silu", "swish"});
  in.real("rms_norm_eps", c.norm_eps, 0, 1);
  read_rope(in, c, theta);
}

/// @param window  transformers' default
void refuse_window(HfFields& in, const ModelConfig& c, std::size_t window) {
  if (in.is_null("sliding_window")) return;
  in.size({"sliding_window"}, window, 1, std::numeric_limits<std::int64_t>::max(), false);
  in.refuse_unless(window >= c.max_seq_len, "sliding_window", concat(window), "attention to all earlier tokens");
}

void read_experts(HfFields& in, ModelConfig& c, const std::vector<const char*>& count, const char* top_k,
                  const char* width) {
  c.moe.gate_order = GateOrder::kSoftmaxTopkRenorm;
  in.size(count, c.moe.num_experts, 1, kMostExperts);
  in.size({top_k}, c.moe.top_k, 1, kMostExperts);
  in.size({width}, c.moe.d_expert, 1, kMostHidden);
}

/// Of the types whose chosen probabilities are divided by their sum when norm_topk_prob says so.
void read_renormalisation(HfFields& in, ModelConfig& c) {
  bool renormalised = false;
  in.flag("norm_topk_prob", renormalised);
  if (!renormalised) c.moe.gate_order = GateOrder::kSoftmaxTopk;
}

void make_every_block_moe(ModelConfig& c) {
  for (std::size_t b = 0; b < c.num_layers; ++b) c.moe_layers.push_back(b);
}

void read_mixtral(HfFields& in, ModelConfig& c) {
  read_decoder(in, c, 1e6, 1e-5, in.is_null("num_key_value_heads") ? 0 : 8, false);
  refuse_window(in, c, c.max_seq_len);
  read_experts(in, c, {"num_local_experts", "num_experts"}, "num_experts_per_tok", "intermediate_size");
  make_every_block_moe(c);
}

void read_olmoe(HfFields& in, ModelConfig& c) {
  read_decoder(in, c, 10000, 1e-5, 0, false);
  c.qk_norm = c.qk_norm_full_width = true;
  in.flag("attention_bias", c.attention_bias);
  if (const JsonValue* clip = in.find("clip_qkv")) in.refuse_unless(false, "clip_qkv", clip->description(), "null");
  read_experts(in, c, {"num_experts", "num_local_experts"}, "num_experts_per_tok", "intermediate_size");
  read_renormalisation(in, c);
  make_every_block_moe(c);
}

/// Qwen's sliding window and its choice of MoE blocks.
void read_qwen_blocks(HfFields& in, ModelConfig& c) {
  bool windowed = false;
  in.flag("use_sliding_window", windowed);
  if (windowed) refuse_window(in, c, 4096);
  std::size_t distance = 1;
  in.size({"decoder_sparse_step"}, distance, 1, kMostHidden, false);
  std::vector<bool> dense(c.num_layers);
  if (const JsonValue* list = in.find("mlp_only_layers")) {
    if (list->kind != Kind::kArray) return in.report("mlp_only_layers", *list, "a list");
    for (const JsonValue& block : list->items) {
      if (block.kind != Kind::kUnsigned) return in.report("mlp_only_layers", block, "integers");
      if (block.integer < c.num_layers) dense[block.integer] = true;
    }
  }
  for (std::size_t b = 0; b < c.num_layers; ++b) {
    if (!dense[b] && (b + 1) % distance == 0) c.moe_layers.push_back(b);
  }
}

void read_qwen3_moe(HfFields& in, ModelConfig& c) {
  read_decoder(in, c, 10000, 1e-6, 4, false);
  c.qk_norm = true;
  in.flag("attention_bias", c.attention_bias);
  read_experts(in, c, {"num_experts", "num_local_experts"}, "num_experts_per_tok", "moe_intermediate_size");
  read_renormalisation(in, c);
  read_qwen_blocks(in, c);
}

void read_qwen2_moe(HfFields& in, ModelConfig& c) {
  read_decoder(in, c, 10000, 1e-6, 16, false);
  c.attention_bias = true;
  in.flag("qkv_bias", c.attention_bias);
  c.attention_output_bias = !c.attention_bias;
  if (const JsonValue* list = in.find("layer_types")) {  // a window that is no wider than the text is refused below
    if (list->kind != Kind::kArray) return in.report("layer_types", *list, "a list");
    if (list->items.size() != c.num_layers) {
      in.wrong.push_back(
          concat("layer_types: a list of ", list->items.size(), ", allowed ", c.num_layers, " (num_hidden_layers)"));
    }
    bool windowed = false;
    in.flag("use_sliding_window", windowed);
    for (const JsonValue& block : list->items) {
      in.refuse_unless(block.text == "full_attention" || (windowed && block.text == "sliding_attention"), "layer_types",
                       block.description(), "\"full_attention\"");
    }
  }
  read_experts(in, c, {"num_experts"}, "num_experts_per_tok", "moe_intermediate_size");
  read_renormalisation(in, c);
  std::size_t width = c.moe.d_expert;
  in.size({"shared_expert_intermediate_size"}, width, 1, kMostHidden * kMostExperts);
  c.moe.num_shared_experts = width / c.moe.d_expert;
  c.moe.shared_expert_gate = true;
  // A size that is refused already would only make a second message.
  in.refuse_unless(!in.unsupported.empty() || (width % c.moe.d_expert == 0 && c.moe.num_shared_experts <= kMostExperts),
                   "shared_expert_intermediate_size", concat(width),
                   concat("1 to ", kMostExperts, " times moe_intermediate_size = ", c.moe.d_expert));
  read_qwen_blocks(in, c);
}

void read_ernie4_5_moe(HfFields& in, ModelConfig& c) {
  read_decoder(in, c, 500000, 1e-5, 4, true);
  c.rope_pairing = RopePairing::kInterleaved;
  in.only("use_bias", false);
  read_experts(in, c, {"moe_num_experts", "num_experts"}, "moe_k", "moe_intermediate_size");
  c.moe.num_shared_experts = 2;
  in.size({"moe_num_shared_experts"}, c.moe.num_shared_experts, 0, kMostExperts, false);
  double norm_min = 1e-12;
  in.real("moe_norm_min", norm_min, -kMostReal, kMostReal);
  in.refuse_unless(norm_min <= 1e-12, "moe_norm_min", concat(norm_min), "at most 1e-12");
  std::size_t start = 1, end = c.num_layers - 1, interval = 1;
  in.size({"moe_layer_start_index"}, start, 0, kMostHidden, false);
  const JsonValue* last = in.find("moe_layer_end_index");  // -1: the last block
  if (!last || last->kind != Kind::kNegative || last->text != "-1") {
    in.size({"moe_layer_end_index"}, end, 0, kMostHidden, false);
  }
  in.size({"moe_layer_interval"}, interval, 1, kMostHidden, false);
  for (std::size_t b = start; b <= end && b < c.num_layers; ++b) {
    if ((b + 1) % interval == 0) c.moe_layers.push_back(b);
  }
}

/// Architectures that are asked for often, and why they are refused.
const char* reason_of_refusal(const std::string& type) {
  if (type == "deepseek_v3" || type == "deepseek_v2") return "its attention keeps a compressed (latent) key and value";
  return "";
}

template <class Message>
[[noreturn]] void refuse(ErrorCode code, const std::string& source, const std::vector<Message>& messages) {
  std::string all;
  for (const Message& message : messages) all += (all.empty() ? "" : "; ") + message;
  throw Error(code, concat(source, ": ", all));
}

}  // namespace

const char* hf_type_name(HfType type) {
  static const char* const kNames[] = {"gpt2", "llama", "mixtral", "qwen3_moe", "ernie4_5_moe", "olmoe", "qwen2_moe"};
  return kNames[static_cast<std::size_t>(type)];
}

HfConfig read_hf_config(const std::string& json, const std::string& source) {
  const JsonText text = read_json(json, source, ErrorCode::kCorruptFile);
  if (text.root.kind != Kind::kObject) {
    throw Error(ErrorCode::kCorruptFile, concat(source, ": ", text.root.description(), ", allowed an object"));
  }
  if (!text.duplicate_keys.empty()) {
    throw Error(ErrorCode::kCorruptFile, concat(source, ": ", text.duplicate_keys[0], ": the key stands there twice"));
  }
  HfFields in(text.root, "");
  std::string name;
  in.text("model_type", name);
  if (!in.wrong.empty()) refuse(ErrorCode::kCorruptFile, source, in.wrong);
  if (name.empty()) throw Error(ErrorCode::kCorruptFile, source + ": model_type is missing");
  const auto type = std::find_if(std::begin(kHfTypes), std::end(kHfTypes),
                                 [&](HfType candidate) { return name == hf_type_name(candidate); });
  if (type == std::end(kHfTypes)) {
    std::string known;
    for (const HfType candidate : kHfTypes) known += (known.empty() ? "" : ", ") + std::string(hf_type_name(candidate));
    const std::string reason = reason_of_refusal(name);
    throw Error(ErrorCode::kUnsupported, concat(source, ": model_type ", in_quotes(name), " cannot be imported",
                                                reason.empty() ? "" : ": ", reason, "; those that can are ", known));
  }
  HfConfig config{*type, {}};
  ModelConfig& c = config.model;
  switch (*type) {
    case HfType::kGpt2:
      read_gpt2(in, c);
      break;
    case HfType::kLlama:
      read_decoder(in, c, 10000, 1e-6, 0, false);
      in.flag("attention_bias", c.attention_bias);
      in.only("mlp_bias", false);
      break;
    case HfType::kMixtral:
      read_mixtral(in, c);
      break;
    case HfType::kQwen3Moe:
      read_qwen3_moe(in, c);
      break;
    case HfType::kErnie45Moe:
      read_ernie4_5_moe(in, c);
      break;
    case HfType::kOlmoe:
      read_olmoe(in, c);
      break;
    case HfType::kQwen2Moe:
      read_qwen2_moe(in, c);
      break;
  }
  c.moe.allow_constant_gate = c.moe.top_k == 1;
  in.size({"vocab_size"}, c.vocab_size, 1, kMostHidden);
  in.flag("tie_word_embeddings", c.tied_embeddings);
  in.real("initializer_range", c.init_std, -1e-300, 100);
  if (!in.wrong.empty()) refuse(ErrorCode::kCorruptFile, source, in.wrong);
  if (!in.unsupported.empty()) refuse(ErrorCode::kUnsupported, source, in.unsupported);
  if (const std::vector<std::string> problems = c.problems(); !problems.empty()) {
    refuse(ErrorCode::kUnsupported, source, problems);
  }
  return config;
}

}  // namespace minimoe
