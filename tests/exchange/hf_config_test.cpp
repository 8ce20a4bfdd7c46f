// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "exchange/hf_tensors.hpp"
#include "minimoe/model/minigpt.hpp"
#include "support/catch.hpp"

namespace minimoe {
namespace {

ModelConfig small(ModelConfig config) {
  config.vocab_size = 11;
  config.max_seq_len = 16;
  config.num_layers = 4;
  config.d_model = 8;
  config.num_heads = 4;
  config.d_ff = 12;
  config.moe.num_experts = 3;
  config.moe.d_expert = 6;
  return config;
}

/// A model of each type, with what it can have beside the plain form.
std::map<HfType, ModelConfig> models() {
  std::map<HfType, ModelConfig> all;
  all[HfType::kGpt2] = small(gpt2_preset());
  all[HfType::kGpt2].gelu = Gelu::kErf;
  all[HfType::kGpt2].tied_embeddings = true;
  ModelConfig llama = small(llama_preset());
  llama.num_kv_heads = 2;
  all[HfType::kLlama] = llama;
  all[HfType::kLlama].attention_bias = true;
  all[HfType::kLlama].rope_theta = 5e5;
  all[HfType::kMixtral] = llama;
  all[HfType::kMixtral].moe_layers = {0, 1, 2, 3};
  all[HfType::kQwen3Moe] = llama;
  all[HfType::kQwen3Moe].qk_norm = true;
  all[HfType::kQwen3Moe].moe_layers = {0, 3};
  all[HfType::kQwen3Moe].moe.gate_order = GateOrder::kSoftmaxTopk;
  all[HfType::kErnie45Moe] = llama;
  all[HfType::kErnie45Moe].rope_pairing = RopePairing::kInterleaved;
  all[HfType::kErnie45Moe].moe_layers = {1, 3};
  all[HfType::kErnie45Moe].moe.num_shared_experts = 2;
  all[HfType::kOlmoe] = llama;
  all[HfType::kOlmoe].qk_norm = all[HfType::kOlmoe].qk_norm_full_width = all[HfType::kOlmoe].attention_bias = true;
  all[HfType::kOlmoe].moe_layers = {0, 1, 2, 3};
  all[HfType::kOlmoe].moe.gate_order = GateOrder::kSoftmaxTopk;
  all[HfType::kQwen2Moe] = llama;
  all[HfType::kQwen2Moe].attention_bias = true;
  all[HfType::kQwen2Moe].attention_output_bias = false;
  all[HfType::kQwen2Moe].moe_layers = {0, 3};
  all[HfType::kQwen2Moe].moe.num_shared_experts = 3;
  all[HfType::kQwen2Moe].moe.shared_expert_gate = true;
  for (auto& [type, config] : all) config.norm_eps = 3e-3;
  return all;
}

std::string refusal_of(const ModelConfig& config, bool has_expert_bias = false) {
  try {
    choose_hf_type(config, has_expert_bias);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kUnsupported);
    return error.what();
  }
  return {};
}

std::string refusal_of(const std::string& json, ErrorCode code) {
  try {
    read_hf_config(json, "config.json");
  } catch (const Error& error) {
    INFO(error.what());
    CHECK(error.code() == code);
    return error.what();
  }
  return {};
}

/// `text` with the first `from` replaced.
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("hugging face: a model of each type is recognised, and its config.json reads back as it", "[exchange]") {
  for (const auto& [type, config] : models()) {
    CHECK(choose_hf_type(config, false) == type);
    const std::string json = hf_config_json(type, config);
    const HfConfig read = read_hf_config(json, "config.json");
    CHECK(read.type == type);
    CHECK(hf_config_json(read.type, read.model) == json);
    CHECK(read.model.moe_layers == config.moe_layers);
    CHECK(read.model.rope_theta == config.rope_theta);
    CHECK(read.model.gelu == config.gelu);
    CHECK(read.model.norm_eps == config.norm_eps);
    CHECK(read.model.attention_bias == config.attention_bias);
    CHECK(read.model.attention_output_bias == config.attention_output_bias);
    CHECK(read.model.qk_norm_full_width == config.qk_norm_full_width);
    CHECK(read.model.moe.num_shared_experts == config.moe.num_shared_experts);
    CHECK(read.model.moe.shared_expert_gate == config.moe.shared_expert_gate);
    if (!config.moe_layers.empty()) {
      CHECK(read.model.moe.resolved_gate_order() == config.moe.resolved_gate_order());
      CHECK(read.model.moe.d_expert == config.moe.d_expert);
    }
  }
  CHECK(choose_hf_type(models()[HfType::kErnie45Moe], true) == HfType::kErnie45Moe);
}

TEST_CASE("hugging face: the tensors on disk cover every weight once", "[exchange]") {
  for (const auto& [type, config] : models()) {
    MiniGPT<float> model(config);
    std::map<std::string, std::vector<int>> covered;
    for (const ParameterRef<float>& p : model.parameters()) covered[p.name].resize(p.size());
    const std::vector<HfTensor> tensors = hf_tensors(type, config);
    CHECK(tensors.size() == num_hf_tensors(type, config));
    for (const HfTensor& tensor : tensors) {
      REQUIRE(covered.count(tensor.parameter) == 1);
      for (std::size_t i = 0; i < tensor.size(); ++i) ++covered[tensor.parameter].at(tensor.offset + i);
    }
    for (const auto& [name, counts] : covered) {
      const int expected = name.ends_with("expert_bias") && type != HfType::kErnie45Moe ? 0 : 1;
      INFO(hf_type_name(type) << " " << name);
      CHECK(std::count(counts.begin(), counts.end(), expected) == static_cast<std::ptrdiff_t>(counts.size()));
    }
  }
}

TEST_CASE("hugging face: what no type holds is refused with the nearest and what it needs", "[exchange]") {
  ModelConfig gelu_experts = small(gpt2_preset());
  gelu_experts.moe_layers = {1};
  CHECK_THAT(refusal_of(gelu_experts),
             ContainsSubstring("the nearest is qwen3_moe, which needs model.norm = rms_norm, model.position = rope"));
  auto all = models();
  ModelConfig config = all[HfType::kMixtral];
  config.moe_layers = {1, 2, 3};
  CHECK_THAT(refusal_of(config), ContainsSubstring("the nearest is mixtral, which needs an MoE layer in every block"));
  config = all[HfType::kMixtral];
  CHECK_THAT(refusal_of(config, true), ContainsSubstring("the nearest is mixtral, which needs every expert_bias = 0"));
  config.moe.num_shared_experts = 1;
  CHECK_THAT(refusal_of(config), ContainsSubstring("model.moe.num_shared_experts = 0"));
  config = all[HfType::kMixtral];
  config.moe.gate_order = GateOrder::kSigmoidTopkRenorm;
  CHECK_THAT(refusal_of(config), ContainsSubstring("mixtral, which needs model.moe.gate_order = softmax_topk_renorm"));
  config = all[HfType::kMixtral];
  config.moe.router_bias = true;
  CHECK_THAT(refusal_of(config), ContainsSubstring("model.moe.router_bias = false"));
  config.moe.router_bias = false;
  config.moe.eval_capacity_factor = 1.25;
  CHECK_THAT(refusal_of(config), ContainsSubstring("model.moe.eval_capacity_factor = 0"));
  config.moe.eval_capacity_factor = 0;
  config.moe.top_k = 1;  // auto: not renormalised
  CHECK_THAT(refusal_of(config), ContainsSubstring("model.moe.gate_order = softmax_topk_renorm"));
  config = all[HfType::kOlmoe];
  config.moe_layers = {1, 2, 3};
  CHECK_THAT(refusal_of(config),
             ContainsSubstring("the nearest is qwen3_moe, which needs model.qk_norm_full_width = false"));
  config = all[HfType::kOlmoe];
  config.attention_output_bias = false;
  CHECK_THAT(refusal_of(config), ContainsSubstring("olmoe, which needs model.attention_output_bias = true"));
  config = all[HfType::kOlmoe];
  CHECK_THAT(refusal_of(config, true), ContainsSubstring("olmoe, which needs every expert_bias = 0"));
  config.moe.num_shared_experts = 1;
  CHECK_THAT(refusal_of(config), ContainsSubstring("olmoe, which needs model.moe.num_shared_experts = 0"));
  config.moe.num_shared_experts = 0;
  config.rope_pairing = RopePairing::kInterleaved;
  CHECK_THAT(refusal_of(config), ContainsSubstring("olmoe, which needs model.rope_pairing = half_split"));
  config = all[HfType::kQwen2Moe];
  config.attention_output_bias = true;
  CHECK_THAT(refusal_of(config), ContainsSubstring("qwen2_moe, which needs model.attention_output_bias = false"));
  config = all[HfType::kQwen2Moe];
  CHECK_THAT(refusal_of(config, true), ContainsSubstring("qwen2_moe, which needs every expert_bias = 0"));
  config.moe.shared_expert_gate = false;
  CHECK_THAT(refusal_of(config), ContainsSubstring("qwen2_moe, which needs model.moe.shared_expert_gate = true"));
  config = all[HfType::kQwen2Moe];
  config.moe.num_shared_experts = 0;
  CHECK_THAT(refusal_of(config),
             ContainsSubstring("qwen2_moe, which needs model.moe.num_shared_experts of at least 1"));
  config = all[HfType::kErnie45Moe];
  config.moe.shared_expert_gate = true;
  CHECK_THAT(refusal_of(config), ContainsSubstring("ernie4_5_moe, which needs model.moe.shared_expert_gate = false"));
  config = all[HfType::kGpt2];
  config.attention_output_bias = false;
  CHECK_THAT(refusal_of(config), ContainsSubstring("gpt2, which needs model.attention_output_bias = true"));
  config = all[HfType::kErnie45Moe];
  config.moe_layers = {0, 1, 3};
  CHECK_THAT(refusal_of(config), ContainsSubstring("MoE layers at a regular distance"));
  config = all[HfType::kLlama];
  config.rope_pairing = RopePairing::kInterleaved;
  CHECK_THAT(refusal_of(config), ContainsSubstring("llama, which needs model.rope_pairing = half_split"));
}

TEST_CASE("hugging face: both spellings of a field are read, and rope_scaling wins", "[exchange]") {
  const std::string json = hf_config_json(HfType::kQwen3Moe, models()[HfType::kQwen3Moe]);
  const auto theta = [&](const std::string& from, const std::string& to) {
    return read_hf_config(replaced(json, from, to), "config.json").model.rope_theta;
  };
  CHECK(theta("\"rope_theta\": 10000.0,", "\"rope_theta\": 500,") == 10000);
  CHECK(theta("\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 10000.0}", "\"other\": 0") == 10000);
  const std::string none = "\"rope_scaling\": null";
  CHECK(theta(none, "\"rope_scaling\": {}") == 10000);
  CHECK(theta(none, R"("rope_scaling": {"type": "default", "rope_theta": 700})") == 700);
  const std::string other = replaced(json, "\"rope_theta\": 10000.0,", "\"rope_theta\": 500,");
  const std::string scaled = replaced(other, none, R"("rope_scaling": {"rope_type": "default"})");
  CHECK(read_hf_config(scaled, "config.json").model.rope_theta == 500);
  CHECK(read_hf_config(replaced(scaled, "\"rope_theta\": 500,", ""), "config.json").model.rope_theta == 10000);
  CHECK(read_hf_config(replaced(json, "\"num_experts\": 3,", ""), "config.json").model.moe.num_experts == 3);
  CHECK(read_hf_config(replaced(json, "\"num_local_experts\": 3,", ""), "config.json").model.moe.num_experts == 3);
}

TEST_CASE("hugging face: what a field that is null or not there stands for is that of its type", "[exchange]") {
  auto all = models();
  const std::string mixtral = hf_config_json(HfType::kMixtral, all[HfType::kMixtral]),
                    heads = "\"num_key_value_heads\": ";
  CHECK(read_hf_config(replaced(mixtral, heads + "2", heads + "null"), "config.json").model.kv_heads() == 4);
  std::string wide = replaced(mixtral, "\"num_attention_heads\": 4", "\"num_attention_heads\": 16");
  wide = replaced(wide, "\"hidden_size\": 8", "\"hidden_size\": 32");
  CHECK(read_hf_config(replaced(wide, heads + "2,", ""), "config.json").model.kv_heads() == 8);

  all[HfType::kQwen3Moe].max_seq_len = 4097;
  const std::string qwen = replaced(hf_config_json(HfType::kQwen3Moe, all[HfType::kQwen3Moe]),
                                    "\"use_sliding_window\": false", "\"use_sliding_window\": true");
  CHECK_NOTHROW(read_hf_config(qwen, "config.json"));  // null: none
  const std::string default_window = replaced(qwen, "\"sliding_window\": null,", "");
  CHECK_THAT(refusal_of(default_window, ErrorCode::kUnsupported), ContainsSubstring("sliding_window: 4096"));
  CHECK_NOTHROW(read_hf_config(replaced(default_window, "4097", "4096"), "config.json"));

  const std::string olmoe = hf_config_json(HfType::kOlmoe, all[HfType::kOlmoe]);
  for (const char* all_heads : {"null", "4"}) {
    CHECK(read_hf_config(replaced(olmoe, heads + "2", heads + all_heads), "config.json").model.kv_heads() == 4);
  }
  const std::string qwen2 = hf_config_json(HfType::kQwen2Moe, all[HfType::kQwen2Moe]);
  CHECK(read_hf_config(replaced(qwen2, "\"qkv_bias\": true,", ""), "config.json").model.attention_bias);
  CHECK_FALSE(read_hf_config(replaced(qwen2, "\"qkv_bias\": true", "\"qkv_bias\": false"), "c").model.attention_bias);
  const std::string renormalised = "\"norm_topk_prob\": true,";  // its default is false
  CHECK(read_hf_config(replaced(qwen2, renormalised, ""), "c").model.moe.gate_order == GateOrder::kSoftmaxTopk);
  const auto with_types = [&](std::size_t count) {
    std::string list;
    for (std::size_t b = 0; b < count; ++b) list += concat(b ? ", " : "", "\"full_attention\"");
    return replaced(qwen2, renormalised, concat(renormalised, "\"layer_types\": [", list, "],"));
  };
  const std::size_t num_layers = all[HfType::kQwen2Moe].num_layers;
  CHECK_NOTHROW(read_hf_config(with_types(num_layers), "config.json"));
  CHECK_THAT(refusal_of(with_types(num_layers - 1), ErrorCode::kCorruptFile),
             ContainsSubstring(concat("layer_types: a list of ", num_layers - 1, ", allowed ", num_layers)));

  const std::string ernie = hf_config_json(HfType::kErnie45Moe, all[HfType::kErnie45Moe]);
  CHECK_NOTHROW(read_hf_config(replaced(ernie, "\"moe_norm_min\": 1e-12", "\"moe_norm_min\": 0"), "config.json"));
}

TEST_CASE("hugging face: the defaults of olmoe and qwen2_moe are those of transformers' configuration", "[exchange]") {
  auto all = models();
  const struct {
    HfType type;
    double eps;
    std::size_t kv_heads;
  } cases[] = {{HfType::kOlmoe, 1e-5, 32}, {HfType::kQwen2Moe, 1e-6, 16}};
  for (const auto& c : cases) {
    ModelConfig config = all[c.type];
    config.d_model = 64;
    config.num_heads = 32;
    config.rope_theta = 77;
    config.tied_embeddings = true;
    config.init_std = 0.5;
    config.moe.gate_order = GateOrder::kSoftmaxTopkRenorm;
    std::string json = hf_config_json(c.type, config);
    for (const char* field :
         {"\"rms_norm_eps\": 0.003,", "\"num_key_value_heads\": 2,", "\"rope_theta\": 77.0,",
          "\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 77.0},", "\"norm_topk_prob\": true,",
          "\"tie_word_embeddings\": true,", "\"initializer_range\": 0.5,", "\"head_dim\": 2,"}) {
      json = replaced(json, field, "");
    }
    json = c.type == HfType::kOlmoe ? replaced(json, "\"attention_bias\": true,", "")
                                    : replaced(json, "\"qkv_bias\": true,", "");
    const ModelConfig read = read_hf_config(json, "config.json").model;
    CHECK(read.norm_eps == c.eps);
    CHECK(read.kv_heads() == c.kv_heads);
    CHECK(read.rope_theta == 10000);
    CHECK_FALSE(read.tied_embeddings);
    CHECK(read.init_std == 0.02);
    CHECK(read.moe.gate_order == GateOrder::kSoftmaxTopk);
    CHECK(read.attention_bias == (c.type == HfType::kQwen2Moe));
    CHECK_FALSE(read.has_output_bias());
  }
}

TEST_CASE("hugging face: a config.json that is wrong or asks for the impossible is refused by its field",
          "[exchange]") {
  auto all = models();
  const struct {
    HfType type;
    const char *from, *to, *message;
    ErrorCode code;
  } cases[] = {
      {HfType::kLlama, "\"hidden_size\": 8,", "", "hidden_size is missing", ErrorCode::kCorruptFile},
      {HfType::kLlama, "\"hidden_size\": 8", "\"hidden_size\": \"8\"", "hidden_size: \"8\" (a string)",
       ErrorCode::kCorruptFile},
      {HfType::kLlama, "\"hidden_size\": 8", "\"hidden_size\": 1e99", "hidden_size: 1e99", ErrorCode::kCorruptFile},
      {HfType::kLlama, "\"hidden_size\": 8", "\"hidden_size\": 0", "hidden_size: 0, allowed an integer 1..",
       ErrorCode::kCorruptFile},
      {HfType::kLlama, "\"hidden_size\": 8", "\"hidden_size\": 8, \"hidden_size\": 8", "the key stands there twice",
       ErrorCode::kCorruptFile},
      {HfType::kLlama, "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 1000000",
       "config.json: num_hidden_layers: 1000000, this library has at most 1024", ErrorCode::kUnsupported},
      {HfType::kLlama, "\"hidden_size\": 8", "\"hidden_size\": 65537", "hidden_size: 65537", ErrorCode::kUnsupported},
      {HfType::kLlama, "\"vocab_size\": 11", "\"vocab_size\": 1048577", "vocab_size: 1048577", ErrorCode::kUnsupported},
      {HfType::kLlama, "\"max_position_embeddings\": 16", "\"max_position_embeddings\": 10000000000000000000",
       "max_position_embeddings: 10000000000000000000", ErrorCode::kUnsupported},
      {HfType::kMixtral, "\"num_local_experts\": 3", "\"num_local_experts\": 4097", "num_local_experts: 4097",
       ErrorCode::kUnsupported},
      {HfType::kLlama, "\"rope_type\": \"default\", \"rope_theta\": 500000.0", "\"rope_theta\": 0.5",
       "config.json: rope_parameters.rope_theta: 0.5, this library has 1 to", ErrorCode::kUnsupported},
      {HfType::kErnie45Moe, "\"moe_norm_min\": 1e-12", "\"moe_norm_min\": 1e-6", "moe_norm_min: 1e-06",
       ErrorCode::kUnsupported},
      {HfType::kLlama, "\"rms_norm_eps\": 0.003", "\"rms_norm_eps\": -1", "rms_norm_eps: -1", ErrorCode::kCorruptFile},
      {HfType::kLlama, "\"mlp_bias\": false", "\"mlp_bias\": true", "mlp_bias: true, this library has false",
       ErrorCode::kUnsupported},
      {HfType::kLlama, "\"mlp_bias\": false", "\"mlp_bias\": 0", "mlp_bias: 0, allowed true or false",
       ErrorCode::kCorruptFile},
      {HfType::kLlama, "\"head_dim\": 2", "\"head_dim\": 4", "head_dim: 4, this library has", ErrorCode::kUnsupported},
      {HfType::kLlama, "\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "hidden_act: \"gelu\"",
       ErrorCode::kUnsupported},
      {HfType::kLlama, "\"rope_type\": \"default\"", "\"rope_type\": \"yarn\"", "rope_parameters.rope_type: \"yarn\"",
       ErrorCode::kUnsupported},
      {HfType::kLlama, "\"rope_scaling\": null", "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}",
       "rope_scaling.type: \"linear\"", ErrorCode::kUnsupported},
      {HfType::kLlama, "\"rope_scaling\": null", "\"rope_scaling\": 3", "rope_scaling: 3, allowed an object",
       ErrorCode::kCorruptFile},
      {HfType::kMixtral, "\"sliding_window\": null", "\"sliding_window\": 4", "sliding_window: 4",
       ErrorCode::kUnsupported},
      {HfType::kMixtral, "\"num_experts_per_tok\": 2", "\"num_experts_per_tok\": 9", "moe.top_k",
       ErrorCode::kUnsupported},
      {HfType::kQwen3Moe, "\"mlp_only_layers\": [1,2]", "\"mlp_only_layers\": [1,-2]", "mlp_only_layers: -2",
       ErrorCode::kCorruptFile},
      {HfType::kQwen3Moe, "\"mlp_only_layers\": [1,2]", "\"mlp_only_layers\": 1", "mlp_only_layers: 1, allowed a list",
       ErrorCode::kCorruptFile},
      {HfType::kErnie45Moe, "\"use_bias\": false", "\"use_bias\": true", "use_bias: true", ErrorCode::kUnsupported},
      {HfType::kErnie45Moe, "\"moe_layer_interval\": 2", "\"moe_layer_interval\": 0", "moe_layer_interval: 0",
       ErrorCode::kCorruptFile},
      {HfType::kGpt2, "\"scale_attn_weights\": true", "\"scale_attn_weights\": false", "scale_attn_weights: false",
       ErrorCode::kUnsupported},
      {HfType::kGpt2, "\"activation_function\": \"gelu\"", "\"activation_function\": \"relu\"",
       "activation_function: \"relu\"", ErrorCode::kUnsupported},
      {HfType::kGpt2, "\"model_type\": \"gpt2\"", "\"model_type\": \"deepseek_v3\"", "compressed (latent)",
       ErrorCode::kUnsupported},
      {HfType::kOlmoe, "\"clip_qkv\": null", "\"clip_qkv\": 8.0", "clip_qkv: 8.0, this library has null",
       ErrorCode::kUnsupported},
      {HfType::kOlmoe, "\"norm_topk_prob\": false", "\"norm_topk_prob\": 0", "norm_topk_prob: 0, allowed true or false",
       ErrorCode::kCorruptFile},
      {HfType::kOlmoe, "\"num_experts\": 3,", "", "num_experts is missing", ErrorCode::kCorruptFile},
      {HfType::kOlmoe, "\"head_dim\": 2", "\"head_dim\": 4", "head_dim: 4, this library has", ErrorCode::kUnsupported},
      {HfType::kQwen2Moe, "\"shared_expert_intermediate_size\": 18", "\"shared_expert_intermediate_size\": 20",
       "shared_expert_intermediate_size: 20, this library has 1 to 4096 times moe_intermediate_size = 6",
       ErrorCode::kUnsupported},
      {HfType::kQwen2Moe, "\"shared_expert_intermediate_size\": 18", "\"shared_expert_intermediate_size\": 5",
       "shared_expert_intermediate_size: 5, this library has 1 to 4096 times", ErrorCode::kUnsupported},
      {HfType::kQwen2Moe, "\"shared_expert_intermediate_size\": 18", "\"shared_expert_intermediate_size\": 24582",
       "shared_expert_intermediate_size: 24582", ErrorCode::kUnsupported},
      {HfType::kQwen2Moe, "\"shared_expert_intermediate_size\": 18,", "", "shared_expert_intermediate_size is missing",
       ErrorCode::kCorruptFile},
      {HfType::kQwen2Moe, "\"use_sliding_window\": false",
       "\"layer_types\": [\"sliding_attention\", \"full_attention\", \"full_attention\", \"full_attention\"]",
       "layer_types: \"sliding_attention\"", ErrorCode::kUnsupported},
      {HfType::kQwen2Moe, "\"use_sliding_window\": false", "\"layer_types\": 3", "layer_types: 3, allowed a list",
       ErrorCode::kCorruptFile},
      {HfType::kQwen2Moe, "\"use_sliding_window\": false,\n  \"sliding_window\": null",
       "\"use_sliding_window\": true, \"sliding_window\": 15", "sliding_window: 15", ErrorCode::kUnsupported},
      {HfType::kGpt2, "\"model_type\": \"gpt2\"", "\"model_type\": \"deepseek_v2\"", "compressed (latent)",
       ErrorCode::kUnsupported},
      {HfType::kGpt2, "\"model_type\": \"gpt2\"", "\"model_type\": \"bert\"", "those that can are gpt2, llama, mixtral",
       ErrorCode::kUnsupported},
      {HfType::kGpt2, "\"model_type\": \"gpt2\"", "\"model_type\": null", "model_type is missing",
       ErrorCode::kCorruptFile},
  };
  for (const auto& c : cases) {
    const std::string message = refusal_of(replaced(hf_config_json(c.type, all[c.type]), c.from, c.to), c.code);
    CHECK_THAT(message, ContainsSubstring(c.message));
  }
  for (const char* text : {"", "[]", "3", "{", "{\"model_type\": \"llama\"}", "\xff"}) {
    CHECK(!refusal_of(std::string(text), ErrorCode::kCorruptFile).empty());
  }
  CHECK_THAT(refusal_of(std::string(5000, '['), ErrorCode::kCorruptFile), ContainsSubstring("deeper than"));
}

}  // namespace minimoe
