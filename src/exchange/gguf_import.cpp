// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "core/strict_json.hpp"
#include "exchange/gguf_file.hpp"
#include "exchange/gguf_model.hpp"
#include "minimoe/exchange/gguf.hpp"

namespace minimoe {
namespace {

constexpr std::size_t kMostGgufExtent = std::size_t{1} << 20;
constexpr std::uint64_t kMostGgufRopeBytes = std::uint64_t{256} << 20;

/// Takes the keys of one architecture, and collects what is wrong with them and what this library cannot do.
class GgufKeys {
 public:
  GgufKeys(const GgufFile& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}
  std::vector<std::string> wrong, unsupported;

  const GgufValue* find(const std::string& key) {
    known_.insert(prefix_ + key);
    const auto at = file_.metadata().find(prefix_ + key);
    return at == file_.metadata().end() ? nullptr : &at->second;
  }
  /// An integer of 0..2^20; without a default it must be there.
  std::size_t size(const std::string& key, std::optional<std::size_t> fallback = {}) {
    const GgufValue* value = find(key);
    if (!value) {
      if (!fallback) wrong.push_back(prefix_ + key + " is missing");
      return fallback.value_or(0);
    }
    if (!value->is_integer() || value->negative || value->integer > kMostGgufExtent) {
      report(key, *value, concat("one integer of at most ", kMostGgufExtent));
      return fallback.value_or(0);
    }
    return value->integer;
  }
  /// The shortest decimal that is the same float: 1e-05, not 9.99999974737875e-06.
  double real(const std::string& key, std::optional<double> fallback = {}) {
    const GgufValue* value = find(key);
    if (!value) {
      if (!fallback) wrong.push_back(prefix_ + key + " is missing");
      return fallback.value_or(1);
    }
    if (value->type != GgufType::kF32) {
      report(key, *value, "a number (F32)");
      return fallback.value_or(1);
    }
    char text[64];
    const auto end = std::to_chars(text, text + sizeof text, static_cast<float>(value->real)).ptr;
    double shortest = 0;
    std::from_chars(text, end, shortest);
    return shortest;
  }
  /// A key that must have one value where it is there.
  void only(const std::string& key, double allowed) {
    const GgufValue* value = find(key);
    if (!value || (value->type != GgufType::kString && value->type != GgufType::kArray &&
                   (value->type == GgufType::kBool ? static_cast<double>(value->integer) : value->real) == allowed)) {
      return;
    }
    unsupported.push_back(concat(prefix_, key, ": ", value->description(), ", this library has ", allowed));
  }
  void report(const std::string& key, const GgufValue& came, const std::string& allowed) {
    wrong.push_back(concat(prefix_, key, ": ", came.description(), ", allowed ", allowed));
  }
  /// A key of the architecture that nobody asked for may change the model.
  void refuse_the_rest() {
    for (auto at = file_.metadata().lower_bound(prefix_); at != file_.metadata().end(); ++at) {
      if (!at->first.starts_with(prefix_)) break;
      if (known_.count(at->first) == 0) {
        unsupported.push_back(concat(in_quotes(at->first), ": ", at->second.description(), ", unknown here"));
      }
    }
  }

 private:
  const GgufFile& file_;
  std::string prefix_;
  std::set<std::string> known_;
};

/// For ggml a vector and a matrix of one row are the same: converters write either.
std::vector<std::size_t> without_leading_ones(std::vector<std::size_t> shape) {
  shape.erase(shape.begin(), std::find_if(shape.begin(), shape.end(), [](std::size_t extent) { return extent != 1; }));
  return shape;
}

[[noreturn]] void refuse_gguf(ErrorCode code, const std::string& path, const std::vector<std::string>& messages) {
  MessageList all;
  for (const std::string& message : messages) all.add(message);
  throw Error(code, concat(path, ": ", all.text()));
}

GgufArchitecture architecture_of(const GgufFile& file) {
  const auto at = file.metadata().find("general.architecture");
  if (at == file.metadata().end() || at->second.type != GgufType::kString) {
    throw Error(ErrorCode::kCorruptFile, file.path() + ": general.architecture is missing or no string");
  }
  std::string known;
  for (const GgufArchitecture architecture : kGgufArchitectures) {
    const char* name = gguf_architecture_name(architecture);
    if (at->second.text == name) return architecture;
    known += concat(known.empty() ? "" : ", ", name);
  }
  throw Error(ErrorCode::kUnsupported, concat(file.path(), ": general.architecture ", in_quotes(at->second.text),
                                              " cannot be imported; those that can are ", known));
}

/// llama.cpp takes the number of tokens in the vocabulary, and this where there is none.
std::size_t vocabulary_size(const GgufFile& file, GgufKeys& in) {
  const auto& metadata = file.metadata();
  const auto tokens = metadata.find("tokenizer.ggml.tokens"), kind = metadata.find("tokenizer.ggml.model");
  const bool none = kind != metadata.end() && kind->second.text == "none";
  if (none || tokens == metadata.end() || tokens->second.type != GgufType::kArray) return in.size("vocab_size");
  in.find("vocab_size");
  if (tokens->second.count > kMostGgufExtent) {
    in.wrong.push_back(concat(tokens->first, ": ", tokens->second.description(), ", allowed ", kMostGgufExtent));
  }
  return std::min<std::uint64_t>(tokens->second.count, kMostGgufExtent);
}

ModelConfig read_gguf_config(const GgufFile& file, GgufArchitecture architecture) {
  GgufKeys in(file, concat(gguf_architecture_name(architecture), '.'));
  const auto has = [&](const char* name) {
    return std::any_of(file.entries().begin(), file.entries().end(),
                       [name](const GgufFile::Entry& entry) { return entry.name == name; });
  };
  const bool gpt2 = architecture == GgufArchitecture::kGpt2;
  ModelConfig c = gpt2 ? gpt2_preset() : llama_preset();
  c.vocab_size = vocabulary_size(file, in);
  c.max_seq_len = in.size("context_length");
  c.d_model = in.size("embedding_length");
  c.num_layers = in.size("block_count");
  c.d_ff = in.size("feed_forward_length");
  c.num_heads = in.size("attention.head_count");
  c.num_kv_heads = in.size("attention.head_count_kv", c.num_heads);
  if (c.num_kv_heads == c.num_heads) c.num_kv_heads = 0;
  c.norm_eps = in.real(gpt2 ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon");
  c.tied_embeddings = !has("output.weight");
  std::size_t experts = 0;
  if (!gpt2) {
    const bool divides = c.num_heads > 0 && c.d_model > 0 && c.d_model % c.num_heads == 0;  // else told below
    for (const char* key : {"attention.key_length", "attention.value_length", "rope.dimension_count"}) {
      if (in.find(key) && divides) in.only(key, static_cast<double>(c.head_dim()));
    }
    c.rope_theta = in.real("rope.freq_base", 10000);
    for (const char* key : {"rope.scaling.factor", "rope.scale_linear", "expert_weights_scale"}) in.only(key, 1);
    if (const GgufValue* type = in.find("rope.scaling.type"); type && type->text != "none") {
      in.unsupported.push_back("rope.scaling.type: " + type->description() + ", this library has none");
    }
    in.only("expert_gating_func", 1);  // softmax
    c.qk_norm_full_width = architecture == GgufArchitecture::kOlmoe;
    c.qk_norm = c.qk_norm_full_width || architecture == GgufArchitecture::kQwen3Moe;
    c.attention_output_bias = architecture != GgufArchitecture::kQwen2Moe;
    c.attention_bias =
        !c.attention_output_bias || (architecture == GgufArchitecture::kLlama && has("blk.0.attn_q.bias"));
    experts = in.size("expert_count", 0);
    const std::size_t used = in.size("expert_used_count", experts ? std::nullopt : std::optional<std::size_t>(0));
    if (experts > 0) c.moe.top_k = used;
  }
  if (experts > 0) {
    c.moe.num_experts = experts;
    c.moe.d_expert = gguf_has_one_width(architecture) ? c.d_ff : in.size("expert_feed_forward_length");
    const bool olmoe = architecture == GgufArchitecture::kOlmoe, qwen2 = architecture == GgufArchitecture::kQwen2Moe;
    c.moe.gate_order = olmoe || qwen2 ? GateOrder::kSoftmaxTopk : GateOrder::kSoftmaxTopkRenorm;
    c.moe.allow_constant_gate = c.moe.top_k == 1;
    std::size_t first = 0;
    if (architecture == GgufArchitecture::kErnie45Moe) {
      first = in.size("leading_dense_block_count");
      c.rope_pairing = RopePairing::kInterleaved;
      c.moe.num_shared_experts = in.size("expert_shared_count", 0);
      in.only("interleave_moe_layer_step", 1);
      in.only("expert_shared_feed_forward_length", static_cast<double>(c.moe.num_shared_experts * c.moe.d_expert));
    } else if (qwen2) {
      const std::size_t width = in.size("expert_shared_feed_forward_length", c.d_ff);
      c.moe.shared_expert_gate = true;
      c.moe.num_shared_experts = c.moe.d_expert > 0 ? width / c.moe.d_expert : 0;
      if (c.moe.num_shared_experts == 0 || width % c.moe.d_expert != 0) {
        in.unsupported.push_back(
            concat("qwen2moe.expert_shared_feed_forward_length: ", width,
                   ", this library has multiples of expert_feed_forward_length = ", c.moe.d_expert));
      }
    } else {
      in.only("expert_shared_count", 0);
    }
    for (std::size_t b = first; b < std::min<std::size_t>(c.num_layers, 1024); ++b) c.moe_layers.push_back(b);
  } else if (!gpt2 && architecture != GgufArchitecture::kLlama) {
    in.wrong.push_back(concat(gguf_architecture_name(architecture), ".expert_count is missing or 0"));
  }
  in.refuse_the_rest();
  if (!in.wrong.empty()) refuse_gguf(ErrorCode::kCorruptFile, file.path(), in.wrong);
  if (!in.unsupported.empty()) refuse_gguf(ErrorCode::kUnsupported, file.path(), in.unsupported);
  if (const auto problems = c.problems(); !problems.empty())
    refuse_gguf(ErrorCode::kUnsupported, file.path(), problems);
  return c;
}

}  // namespace

struct GgufModel::Impl {
  GgufFile file;
  GgufArchitecture architecture;
  ModelConfig config;
  std::map<std::string, const GgufFile::Entry*> places;
  std::vector<GgufTensor> tensors;

  explicit Impl(const std::string& path)
      : file(path), architecture(architecture_of(file)), config(read_gguf_config(file, architecture)) {
    std::uint64_t weights = 0;
    for (const GgufFile::Entry& entry : file.entries()) {
      places[entry.name] = &entry;
      weights += entry.end - entry.begin;
    }
    if (config.num_layers > places.size()) {
      throw Error(ErrorCode::kShape, concat(path, ": ", config.num_layers, " blocks, but ", places.size(), " tensors"));
    }
    // No tensor has a row for each position of RoPE.
    const std::uint64_t tables = config.max_seq_len * config.head_dim() * sizeof(float);
    const std::uint64_t most = std::max(kMostGgufRopeBytes, weights);
    if (config.position == PositionKind::kRope && tables > most) {
      throw Error(ErrorCode::kUnsupported, concat(path, ": context_length: ", config.max_seq_len, ": its tables of ",
                                                  tables, " bytes are above what is taken for them here, ", most));
    }
    tensors = gguf_tensors(architecture, config);
    check_tensors();
  }

  /// One error that tells of them all.
  void check_tensors() const {
    MessageList wrong;
    std::set<std::string_view> known;
    for (const GgufTensor& tensor : tensors) {
      known.insert(tensor.name);
      const auto at = places.find(tensor.name);
      if (at == places.end()) {
        wrong.add(tensor.name + " is missing");
      } else if (without_leading_ones(at->second->shape) != without_leading_ones(tensor.shape)) {
        wrong.add(
            concat(tensor.name, " is ", shape_string(at->second->shape), ", expected ", shape_string(tensor.shape)));
      }
    }
    for (const auto& [name, entry] : places) {
      if (known.count(name) == 0) wrong.add(in_quotes(name) + " is not a tensor of the model");
    }
    if (!wrong.empty()) throw Error(ErrorCode::kShape, concat(file.path(), ": ", wrong.text()));
  }

  template <class T>
  void read(const GgufTensor& tensor, T* values) const {
    const GgufFile::Entry& entry = *places.at(tensor.name);
    if (tensor.interleaved_heads == 0) return file.read_as(entry, 0, tensor.size(), values);
    const std::size_t rows = tensor.shape[0], width = tensor.size() / rows;
    if (width == 1) {  // a bias
      std::vector<T> bias(rows);
      file.read_as(entry, 0, rows, bias.data());
      for (std::size_t row = 0; row < rows; ++row) values[tensor.source_row(row)] = bias[row];
      return;
    }
    for (std::size_t row = 0; row < rows; ++row) {
      file.read_as(entry, row * width, width, values + tensor.source_row(row) * width);
    }
  }
};

GgufModel::GgufModel(const std::string& path) : impl_(std::make_unique<Impl>(path)) {}
GgufModel::~GgufModel() = default;

const ModelConfig& GgufModel::config() const { return impl_->config; }

template <class T>
void GgufModel::load_weights(MiniGPT<T>& model) const {
  std::map<std::string, ParameterRef<T>> parameters;
  for (ParameterRef<T>& p : model.parameters()) {
    if (p.role == Role::kBuffer) std::fill_n(p.value, p.size(), T(0));
    parameters.emplace(p.name, p);
  }
  for (const GgufTensor& tensor : impl_->tensors) {
    const auto at = parameters.find(tensor.parameter);
    require(at != parameters.end() && tensor.offset + tensor.size() <= at->second.size(),
            "gguf.load_weights: the model is not that of ", impl_->file.path());
    impl_->read(tensor, at->second.value + tensor.offset);
  }
}

template void GgufModel::load_weights(MiniGPT<float>&) const;
template void GgufModel::load_weights(MiniGPT<double>&) const;

}  // namespace minimoe
