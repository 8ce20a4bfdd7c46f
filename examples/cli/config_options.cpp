// SPDX-License-Identifier: Apache-2.0
#include "config_options.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "command_tree.hpp"
#include "config_file.hpp"
#include "exit_codes.hpp"
#include "nearest.hpp"

namespace cli {

enum class FlagKind { kValue, kText, kList, kTextList, kSwitch };

struct FlagSpec {
  const char* flag;
  const char* key;
  FlagKind kind;
  const char* group;
  const char* help;
};

namespace {

using enum FlagKind;

constexpr FlagSpec kFlags[] = {
    {"--preset", "model.preset", kText, "Model",
     "gpt2: LayerNorm, learned positions, GELU, biases; llama: RMSNorm, RoPE, SwiGLU"},
    {"--num-layers", "model.num_layers", kValue, "Model", "blocks"},
    {"--d-model", "model.d_model", kValue, "Model", "width of the residual stream"},
    {"--num-heads", "model.num_heads", kValue, "Model", "attention heads"},
    {"--num-kv-heads", "model.num_kv_heads", kValue, "Model", "key and value heads; 0: as many as heads"},
    {"--d-ff", "model.d_ff", kValue, "Model", "hidden width of the dense blocks"},
    {"--vocab-size", "model.vocab_size", kValue, "Model", "token ids; 0: those of the data"},
    {"--max-seq-len", "model.max_seq_len", kValue, "Model", "longest sequence"},
    {"--tied-embeddings", "model.tied_embeddings", kSwitch, "Model", "the head shares the token embedding"},
    {"--qk-norm", "model.qk_norm", kSwitch, "Model", "RMS norm of each query and key head"},
    {"--qk-norm-full-width", "model.qk_norm_full_width", kSwitch, "Model", "with --qk-norm: over all heads at once"},

    {"--moe-layer", "model.moe.layers", kList, "Mixture of Experts",
     "blocks that are MoE, as in 1 or 0,1; none: a dense model"},
    {"--num-experts", "model.moe.num_experts", kValue, "Mixture of Experts", "experts E"},
    {"--top-k", "model.moe.top_k", kValue, "Mixture of Experts", "experts a token goes to, K"},
    {"--d-expert", "model.moe.d_expert", kValue, "Mixture of Experts", "hidden width of one expert"},
    {"--gate-order", "model.moe.gate_order", kText, "Mixture of Experts",
     "auto, softmax_topk_renorm, softmax_topk, topk_softmax, sigmoid_topk_renorm"},
    {"--allow-constant-gate", "model.moe.allow_constant_gate", kSwitch, "Mixture of Experts",
     "permit K = 1 with a weight that is always 1"},
    {"--num-shared-experts", "model.moe.num_shared_experts", kValue, "Mixture of Experts",
     "experts every token goes to"},
    {"--shared-expert-gate", "model.moe.shared_expert_gate", kSwitch, "Mixture of Experts",
     "shared experts times the sigmoid of a gate of the token"},
    {"--alpha", "model.moe.aux_loss_coef", kValue, "Mixture of Experts",
     "coefficient of the balance loss; 0: reported only"},
    {"--aux-loss-scope", "model.moe.aux_loss_scope", kText, "Mixture of Experts",
     "micro_batch, sequence, global_batch"},
    {"--z-loss", "model.moe.z_loss_coef", kValue, "Mixture of Experts", "coefficient of the router z-loss"},
    {"--bias-balancing", "model.moe.bias_balancing", kSwitch, "Mixture of Experts", "aux-loss-free balancing"},
    {"--bias-update-rate", "model.moe.bias_update_rate", kValue, "Mixture of Experts",
     "its rate a step; turns --bias-balancing on"},
    {"--capacity-factor", "model.moe.capacity_factor", kValue, "Mixture of Experts", "in training; 0: dropless"},
    {"--eval-capacity-factor", "model.moe.eval_capacity_factor", kValue, "Mixture of Experts",
     "in evaluation; 0: dropless"},
    {"--drop-priority", "model.moe.drop_priority", kText, "Mixture of Experts", "position, probability"},

    {"--steps", "train.steps", kValue, "Training", "optimizer steps of the whole schedule"},
    {"--batch-size", "train.batch_size", kValue, "Training", "sequences of a micro-batch"},
    {"--seq-len", "train.seq_len", kValue, "Training",
     "tokens of a sequence; raises --max-seq-len when that is not given"},
    {"--accumulation-steps", "train.accumulation_steps", kValue, "Training", "micro-batches of a step"},
    {"--lr", "train.learning_rate", kValue, "Training",
     "peak learning rate; --min-lr becomes a tenth of it when not given"},
    {"--min-lr", "train.min_learning_rate", kValue, "Training", "where the cosine ends"},
    {"--warmup-steps", "train.warmup_steps", kValue, "Training", "steps of linear warm-up"},
    {"--schedule", "train.schedule", kText, "Training", "cosine, constant"},
    {"--weight-decay", "train.weight_decay", kValue, "Training", "decoupled; matrices and embeddings only"},
    {"--clip-norm", "train.clip_norm", kValue, "Training", "global gradient norm; 0: no clipping"},
    {"--precision", "train.precision", kText, "Training", "of matrix products: fp32, bf16"},
    {"--seed", "train.seed", kValue, "Training", "of start values and training windows"},

    {"--corpus", "data.corpus", kText, "Data",
     "grammar (embedded), or a file: UTF-8 text, .jsonl, .conllu, .bin of nanoGPT or llm.c; all may have .gz"},
    {"--format", "data.format", kText, "Data", "of a file: auto, text, jsonl, conllu, tokens (nanoGPT), llmc"},
    {"--languages", "data.languages", kTextList, "Data", "of the grammar corpus: en,es"},
    {"--tokenizer", "data.tokenizer", kText, "Data",
     "of text: auto (bytes), bpe:VOCAB (trained on it), or a tokenizer.json"},
    {"--max-vocab", "data.max_vocab", kValue, "Data", "most words kept of a CoNLL-U file"},
    {"--val-fraction", "data.val_fraction", kValue, "Data", "share of a file kept for validation"},
};

struct IsaName {
  const char* name;
  std::int32_t value;
};

constexpr IsaName kIsaNames[] = {{"auto", MINIMOE_INSTRUCTIONS_AUTO},
                                 {"avx512", MINIMOE_INSTRUCTIONS_AVX512},
                                 {"avx2", MINIMOE_INSTRUCTIONS_AVX2},
                                 {"sse4", MINIMOE_INSTRUCTIONS_SSE4},
                                 {"scalar", MINIMOE_INSTRUCTIONS_SCALAR}};

// Takes a progress bar off a terminal first.
void print_warning(void*, std::int32_t, const char* message) {
  std::fprintf(stderr, "%sminimoe: warning: %s\n", isatty(STDERR_FILENO) == 1 ? "\r\033[K" : "", message);
}

std::vector<std::string> split_list(const std::string& text, const std::string& separator = ",") {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + separator.size();
  }
}

// The library describes such a key as "cosine | constant", or "a list of: en | es".
std::vector<std::string> choices_of_key(const std::string& key) {
  for (const ConfigKey& k : known_keys()) {
    if (k.key != key || k.type.find(" | ") == std::string::npos) continue;
    const std::size_t colon = k.type.find(": ");
    return split_list(colon == std::string::npos ? k.type : k.type.substr(colon + 2), " | ");
  }
  return {};
}

// What is no JSON scalar stays text, and the library says which type it wants.
Json parse_value(const std::string& text) {
  const Json value = Json::parse(text, nullptr, false);
  return value.is_discarded() || value.is_object() || value.is_null() ? Json(text) : value;
}

Json flag_value(const FlagSpec& spec, const std::string& text) {
  if (spec.kind == kText) return text;
  if (spec.kind == kValue || spec.kind == kSwitch) return parse_value(text);
  Json list = Json::array();
  if (text == "none") return list;
  for (const std::string& part : split_list(text)) list.push_back(spec.kind == kList ? parse_value(part) : Json(part));
  return list;
}

bool is_text_key(const std::string& key) {
  for (const ConfigKey& k : known_keys()) {
    if (k.key == key) return k.default_value.rfind('"', 0) == 0;
  }
  return false;
}

// Of the library's message, the key that stands first in it and was set by the user.
std::string origin_of(const std::string& message, const std::map<std::string, std::string>& origins) {
  std::string best;
  std::size_t best_at = std::string::npos;
  std::size_t best_size = 0;
  for (const auto& [key, origin] : origins) {
    std::size_t at = message.find(key);
    if (at == std::string::npos && key.rfind("model.", 0) == 0) at = message.find(key.substr(6));
    if (at == std::string::npos || at > best_at || (at == best_at && key.size() < best_size)) continue;
    best = origin;
    best_at = at;
    best_size = key.size();
  }
  return best;
}

// The lab preset, without the fields that a model preset would have to overrule.
Json sparse_lab_config() {
  const std::map<std::string, Json> defaults = dotted_leaves(Json::parse(capi::config_resolve("{}")));
  Json sparse = Json::object();
  for (const auto& [key, value] : dotted_leaves(Json::parse(capi::config_preset("lab")))) {
    const auto found = defaults.find(key);
    if (found == defaults.end() || found->second != value) set_dotted(sparse, key, value);
  }
  return sparse;
}

}  // namespace

void ConfigOptions::add_to(CLI::App& command, ConfigScope scope) {
  for (const FlagSpec& spec : kFlags) {
    if (scope == ConfigScope::kFile) break;
    if (scope == ConfigScope::kData && std::string(spec.group) != "Data") continue;
    Value& value = values_.emplace_back();
    value.spec = &spec;
    if (spec.kind == kSwitch) {
      value.option = command.add_flag(spec.flag, value.text, spec.help);
    } else {
      const bool is_list = spec.kind == kList || spec.kind == kTextList;
      value.option = command.add_option(spec.flag, value.text, spec.help);
      const char* type = is_list ? "LIST" : spec.kind == kText ? "NAME" : "NUMBER";
      value.option->type_name(choice_type(type, choices_of_key(spec.key)));
    }
    value.option->group(spec.group);
  }
  command
      .add_option("--config", config_path_,
                  "TOML (or .json) file with the keys that `minimoe config --keys` lists; flags win")
      ->group("Configuration");
  command.add_option("--set", assignments_, "any key, as in --set model.moe.top_k=2; may be repeated")
      ->group("Configuration")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
}

bool ConfigOptions::given() const {
  return !assignments_.empty() || !config_path_.empty() ||
         std::any_of(values_.begin(), values_.end(), [](const Value& v) { return v.option->count() > 0; });
}

bool ConfigOptions::given(const std::string& key) const { return layers().origins.count(key) > 0; }

ConfigOptions::Layers ConfigOptions::layers() const {
  Layers layers;
  if (!config_path_.empty()) {
    ConfigFile file = read_config_file(config_path_);
    layers.values = std::move(file.values);
    layers.origins = std::move(file.origins);
  }
  const auto set = [&](const std::string& key, Json value, const std::string& origin) {
    set_dotted(layers.values, key, std::move(value));
    layers.origins[key] = origin;
  };
  for (const Value& value : values_) {
    if (value.option->count() == 0) continue;
    set(value.spec->key, flag_value(*value.spec, value.text), value.spec->flag);
  }
  for (const std::string& assignment : assignments_) {
    const std::size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw BadInput("--set: '" + assignment + "' is not KEY=VALUE");
    }
    const std::string key = assignment.substr(0, equals);
    const std::string text = assignment.substr(equals + 1);
    require_known_key(key, "--set");
    set(key, is_text_key(key) ? Json(text) : parse_value(text), "--set");
  }

  const auto follow = [&](const char* from, const char* to, auto&& derive) {
    if (layers.origins.count(from) == 0 || layers.origins.count(to) > 0) return;
    const Json& value = layers.values.at(Json::json_pointer("/" + [&] {
      std::string pointer = from;
      std::replace(pointer.begin(), pointer.end(), '.', '/');
      return pointer;
    }()));
    if (!value.is_number()) return;
    const Json derived = derive(value);
    if (!derived.is_null()) set(to, derived, layers.origins.at(from));
  };
  follow("train.learning_rate", "train.min_learning_rate",
         [](const Json& v) { return v.get<double>() > 0 ? Json(v.get<double>() / 10) : Json(); });
  follow("train.seq_len", "model.max_seq_len",
         [](const Json& v) { return v.is_number_integer() && v.get<std::int64_t>() > 64 ? v : Json(); });
  follow("model.moe.bias_update_rate", "model.moe.bias_balancing", [](const Json&) { return Json(true); });
  return layers;
}

Json ConfigOptions::resolve() const { return resolve_over(sparse_lab_config()); }

Json ConfigOptions::resolve_over(const Json& base) const {
  const Layers given = layers();
  Json merged = base;
  merged.merge_patch(given.values);
  try {
    return Json::parse(capi::config_resolve(json_text(merged)));
  } catch (const capi::Error& failure) {
    const std::string origin = origin_of(failure.what(), given.origins);
    throw BadInput(origin.empty() ? failure.what() : origin + ": " + failure.what());
  }
}

void ExecFlags::add_to(CLI::App& command) {
  command
      .add_option("--threads", threads_, "at most 256; 0: one per core; changes the speed, never a bit of the result")
      ->check(CLI::Range(0, 256))
      ->group("Computing");
  std::vector<std::string> isa_names;
  for (const IsaName& name : kIsaNames) isa_names.push_back(name.name);
  command.add_option("--isa", isa_, "vector instructions: auto, avx512, avx2, sse4, scalar")
      ->type_name(choice_type("NAME", isa_names))
      ->group("Computing");
}

capi::Options ExecFlags::options() const {
  const auto* const found =
      std::find_if(std::begin(kIsaNames), std::end(kIsaNames), [&](const IsaName& name) { return isa_ == name.name; });
  if (found == std::end(kIsaNames)) {
    const Json library = Json::parse(capi::build_info());
    std::string names = "auto";
    for (const Json& name : library.at("instruction_sets")) names += ", " + name.get<std::string>();
    throw BadInput("--isa: '" + isa_ + "', allowed on this machine " + names);
  }
  return capi::Options()
      .num_threads(threads_)
      .instruction_set(found->value)
      .log(print_warning, nullptr, MINIMOE_LOG_WARNING);
}

}  // namespace cli
