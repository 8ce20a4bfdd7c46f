// SPDX-License-Identifier: Apache-2.0
#include "minimoe/train/run_config.hpp"

#include <clocale>
#include <cmath>
#include <cstring>
#include <limits>

#include "minimoe/core/random.hpp"
#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "train/config_difference.hpp"

namespace minimoe {
namespace {

std::string parse_error(const std::string& json) {
  try {
    parse_run_config(json);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "(accepted)";
}

bool same_bits(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

}  // namespace

TEST_CASE("run_config: keys left out keep their defaults, and the vocabulary is that of the data", "[run_config]") {
  const RunConfig config = parse_run_config("{}");
  RunConfig defaults;
  defaults.model.vocab_size = 0;
  CHECK(compare_configs(config, defaults).empty());
  CHECK(config.model.vocab_size == 0);
  CHECK(config.problems().empty());
}

TEST_CASE("run_config: a shorter model has shorter sequences, unless their length is given", "[run_config]") {
  const RunConfig shorter = parse_run_config(R"({"model": {"max_seq_len": 8}})");
  CHECK(shorter.train.seq_len == 8);
  CHECK(shorter.problems().empty());
  CHECK(parse_run_config(run_config_json(shorter)).train.seq_len == 8);
  CHECK(parse_run_config(R"({"model": {"max_seq_len": 128}})").train.seq_len == 64);
  const RunConfig given = parse_run_config(R"({"train": {"seq_len": 64}, "model": {"max_seq_len": 8}})");
  CHECK(given.train.seq_len == 64);
  CHECK_FALSE(given.problems().empty());
}

TEST_CASE("run_config: a preset gives the defaults of the other model keys, wherever it stands", "[run_config]") {
  for (const char* json : {R"({"model": {"preset": "llama", "norm_eps": 1e-6, "attention_bias": true}})",
                           R"({"model": {"norm_eps": 1e-6, "attention_bias": true, "preset": "llama"}})"}) {
    const RunConfig config = parse_run_config(json);
    CHECK(config.model.norm == NormKind::kRmsNorm);
    CHECK(config.model.position == PositionKind::kRope);
    CHECK(config.model.ffn == FfnKind::kSwiglu);
    CHECK(config.model.attention_bias);
    CHECK(config.model.norm_eps == 1e-6);
  }
  CHECK(parse_run_config(R"({"model": {"preset": "gpt2"}})").model.position == PositionKind::kLearned);
}

TEST_CASE("run_config: every key that is listed can be set, and takes its listed default", "[run_config]") {
  const std::vector<ConfigKey> keys = run_config_keys();
  CHECK(keys.size() > 50);
  for (const ConfigKey& key : keys) {
    INFO(key.key);
    CHECK(!key.type.empty());
    CHECK(!key.meaning.empty());
    std::string json = key.default_value;
    for (std::size_t end = key.key.size(); end != std::string::npos;) {
      const std::size_t dot = end == 0 ? std::string::npos : key.key.rfind('.', end - 1);
      const std::size_t begin = dot == std::string::npos ? 0 : dot + 1;
      json = "{\"" + key.key.substr(begin, end - begin) + "\": " + json + "}";
      end = dot;
    }
    CHECK(compare_configs(parse_run_config(json), parse_run_config("{}")).empty());
  }
}

TEST_CASE("run_config: what is printed reads back to the same values", "[run_config]") {
  RunConfig config;
  config.model = llama_preset();
  config.model.vocab_size = 12345;
  config.model.num_kv_heads = 2;
  config.model.qk_norm = config.model.tied_embeddings = config.model.qk_norm_full_width = true;
  config.model.attention_output_bias = false;
  config.model.moe.num_shared_experts = 1;
  config.model.moe.shared_expert_gate = true;
  config.model.gelu = Gelu::kErf;
  config.model.rope_pairing = RopePairing::kInterleaved;
  config.model.moe_layers = {0, 1};
  config.model.moe.num_experts = 8;
  config.model.moe.gate_order = GateOrder::kSigmoidTopkRenorm;
  config.model.moe.routed_scale = 2.5;
  config.model.moe.router_bias = true;
  config.model.moe.router_bias_init = {0.1, -0.2, 1e-300, -1e-17, 0, 1.0 / 3, 7, 8};
  config.model.moe.aux_loss_scope = AuxLossScope::kGlobalBatch;
  config.model.moe.drop_priority = DropPriority::kProbability;
  config.model.moe.bias_balancing = config.model.moe.bias_centering = true;
  config.train.schedule = Schedule::kConstant;
  config.train.seed = std::numeric_limits<std::uint64_t>::max();
  config.train.learning_rate = 0.1 + 0.2;
  config.data.corpus = "a \"file\"\twith \\ and \xc3\xb1.conllu";
  config.data.format = "conllu";
  config.data.languages = {"es"};
  const std::string json = run_config_json(config);
  const RunConfig back = parse_run_config(json);
  CHECK(compare_configs(config, back).empty());
  CHECK(run_config_json(back) == json);
  CHECK(back.train.seed == std::numeric_limits<std::uint64_t>::max());
  CHECK(same_bits(back.train.learning_rate, 0.1 + 0.2));
  CHECK(back.data.corpus == config.data.corpus);
  CHECK(back.model.moe_layers == config.model.moe_layers);
  CHECK(back.model.qk_norm_full_width);
  CHECK(back.model.moe.shared_expert_gate);
  CHECK_FALSE(back.model.attention_output_bias);
  CHECK(back.model.moe.gate_order == GateOrder::kSigmoidTopkRenorm);
  CHECK(back.model.moe.router_bias_init == config.model.moe.router_bias_init);
}

TEST_CASE("run_config: doubles and seeds round trip bit for bit", "[run_config]") {
  const RandomStream random(7, "run_config_test");
  RunConfig config;
  for (std::uint64_t i = 0; i < 300; ++i) {
    config.train.seed = random.bits(i);
    // Any finite double that the range lets through, subnormal ones included.
    const std::uint64_t bits = random.bits(1000 + i) & 0x3fefffffffffffffULL;  // sign and top exponent bit clear: < 1
    std::memcpy(&config.train.weight_decay, &bits, sizeof bits);
    config.model.moe.router_bias_init = {-config.train.weight_decay, -0.0, 5e-324, 123456.789 * random.uniform(i)};
    const RunConfig back = parse_run_config(run_config_json(config));
    CHECK(back.train.seed == config.train.seed);
    CHECK(same_bits(back.train.weight_decay, config.train.weight_decay));
    REQUIRE(back.model.moe.router_bias_init.size() == 4);
    for (std::size_t k = 0; k < 4; ++k) {
      CHECK(same_bits(back.model.moe.router_bias_init[k], config.model.moe.router_bias_init[k]));
    }
  }
}

TEST_CASE("run_config: numbers are read and printed alike in every locale", "[run_config]") {
  const std::string before = std::setlocale(LC_NUMERIC, nullptr);
  const std::string plain = run_config_json(RunConfig{});
  bool found = false;
  for (const char* name : {"de_DE.UTF-8", "es_ES.UTF-8", "fr_FR.UTF-8", "de_DE.utf8"}) {
    if (!std::setlocale(LC_NUMERIC, name)) continue;
    found = true;
    CHECK(run_config_json(RunConfig{}) == plain);
    CHECK(parse_run_config(R"({"train": {"weight_decay": 0.25}})").train.weight_decay == 0.25);
  }
  std::setlocale(LC_NUMERIC, before.c_str());
  if (!found) WARN("no locale with a decimal comma is installed");
}

TEST_CASE("run_config: a value that JSON cannot hold is refused when printing", "[run_config]") {
  RunConfig config;
  config.train.weight_decay = std::nan("");
  CHECK_THROWS_AS(run_config_json(config), Error);
  config = RunConfig{};
  config.data.corpus = "\xff\xfe";
  CHECK_THROWS_AS(run_config_json(config), Error);
}

TEST_CASE("run_config: each broken text is refused with its place, what came and what is allowed", "[run_config]") {
  struct Broken {
    std::string json;
    std::vector<std::string> message;  // parts
  };
  const std::string long_text(2000, 'x');
  const Broken cases[] = {
      {"", {"line 1, column 1"}},
      {"   ", {"line 1"}},
      {"null", {"null", "an object"}},
      {"[]", {"a list", "an object"}},
      {"3", {"3", "an object"}},
      {"\"model\"", {"\"model\" (a string)"}},
      {"{", {"line 1, column 2"}},
      {"{\n  \"model\": {\n    \"d_model\" 64\n  }\n}", {"line 3, column 16"}},
      {"{\"model\": {}} trailing", {"line 1, column 17"}},
      {"{\"model\": {},}", {"line 1, column 14"}},
      {"{model: {}}", {"line 1, column 2"}},
      {"{'model': {}}", {"line 1"}},
      {"// comment\n{}", {"line 1"}},
      {std::string("{}\0{\"x\": 1}", 11), {"line 1, column 3", "NUL"}},
      {"{\"data\": {\"corpus\": \"\xff\xfe\"}}", {"line 1"}},
      {R"({"data": {"corpus": "unfinished}})", {"line 1"}},
      {R"({"data": {"corpus": "\ud800"}})", {"line 1"}},
      {R"({"train": {"steps": 007}})", {"line 1"}},
      {R"({"train": {"learning_rate": NaN}})", {"line 1"}},
      {R"({"train": {"learning_rate": Infinity}})", {"line 1"}},
      {R"({"train": {"learning_rate": 1e999}})", {"line 1", "1e999"}},
      {R"({"modle": {}})", {"modle", "unknown key", "did you mean model?"}},
      {R"({"model": {"d_modle": 64}})", {"model.d_modle", "did you mean model.d_model?"}},
      {R"({"model": {"top_k": 2}})", {"model.top_k", "did you mean model.moe.top_k?"}},
      {R"({"steps": 2})", {"steps", "did you mean train.steps?"}},
      {R"({"model": {"moe": {"d_model": 2}}})", {"model.moe.d_model", "did you mean model.d_model?"}},
      {R"({"model": {"moe": {"moe_layers": [1]}}})", {"model.moe.moe_layers", "unknown key"}},
      {"{\"train\": {\"" + long_text + "\": 1}}", {"train.\"xxx", "...\"", "unknown key"}},
      {R"({"train": {"a\nb.c": 1}})", {R"(train."a\nb.c")"}},
      {R"({"model": {"d_model": 64, "d_model": 32}})", {"model.d_model", "twice"}},
      {R"({"model": {}, "model": {}})", {"model: the key stands there twice"}},
      {R"({"x": {"y": 1, "y": {"y": 2, "y": [{"z": 1, "z": 2}]}}})", {"x.y: the key", "x.y.y: the key"}},
      {R"({"model": 3})", {"model: 3, allowed an object"}},
      {R"({"model": null})", {"model: null, allowed an object"}},
      {R"({"model": {"moe": [1]}})", {"model.moe: a list, allowed an object"}},
      {R"({"model": {"preset": "gpt3"}})", {"model.preset: \"gpt3\"", "gpt2 | llama"}},
      {R"({"model": {"preset": 2}})", {"model.preset: 2, allowed gpt2 | llama"}},
      {R"({"model": {"d_model": "64"}})", {"model.d_model: \"64\" (a string), allowed an integer 1..65536"}},
      {R"({"model": {"d_model": 64.5}})", {"model.d_model: 64.5, allowed an integer"}},
      {R"({"model": {"d_model": -64}})", {"model.d_model: -64, allowed an integer"}},
      {R"({"model": {"d_model": 0}})", {"model.d_model: 0, allowed an integer 1.."}},
      {R"({"model": {"d_model": 18446744073709551617}})", {"model.d_model: 18446744073709551617, allowed"}},
      {R"({"model": {"num_layers": 1000000000000000000}})", {"model.num_layers: 1000000000000000000, allowed"}},
      {R"({"model": {"vocab_size": 1e3}})", {"model.vocab_size: 1e3, allowed an integer"}},
      {R"({"model": {"qk_norm": 1}})", {"model.qk_norm: 1, allowed true | false"}},
      {R"({"model": {"qk_norm": "true"}})", {"model.qk_norm: \"true\" (a string)"}},
      {R"({"model": {"norm": "LayerNorm"}})", {"model.norm: \"LayerNorm\" (a string), allowed layer_norm | rms_norm"}},
      {R"({"model": {"norm": 0}})", {"model.norm: 0, allowed"}},
      {R"({"model": {"norm_eps": 0}})", {"model.norm_eps: 0, allowed a number, 0 < x"}},
      {R"({"model": {"moe": {"layers": 1}}})", {"model.moe.layers: 1, allowed a list"}},
      {R"({"model": {"moe": {"layers": [0, -1]}}})", {"model.moe.layers[1]: -1"}},
      {R"({"model": {"moe": {"layers": [[1]]}}})", {"model.moe.layers[0]: a list"}},
      {R"({"model": {"moe": {"router_bias_init": [0, "1"]}}})", {"model.moe.router_bias_init[1]: \"1\""}},
      {R"({"model": {"moe": {"aux_loss_coef": -0.01}}})", {"model.moe.aux_loss_coef: -0.01, allowed a number, 0 <= x"}},
      {R"({"train": {"steps": 0}})", {"train.steps: 0"}},
      {R"({"train": {"seed": -1}})", {"train.seed: -1", "18446744073709551615"}},
      {R"({"train": {"seed": 18446744073709551616}})", {"train.seed: 18446744073709551616"}},
      {R"({"train": {"beta2": 1}})", {"train.beta2: 1, allowed a number, 0 <= x < 1"}},
      {R"({"train": {"schedule": "linear"}})", {"train.schedule: \"linear\"", "constant | cosine"}},
      {R"({"train": {"precision": "fp16"}})", {"train.precision: \"fp16\"", "fp32 | bf16"}},
      {R"({"data": {"val_fraction": 1.5}})", {"data.val_fraction: 1.5, allowed a number, 0 < x <= 1"}},
      {R"({"data": {"languages": ["fr"]}})", {"data.languages[0]: \"fr\"", "en | es"}},
      {R"({"data": {"languages": "en"}})", {"data.languages: \"en\" (a string), allowed a list"}},
      {R"({"data": {"corpus": ""}})", {"data.corpus: \"\""}},
      {R"({"data": {"corpus": "a\u0000b"}})", {"data.corpus: \"a\\u0000b\""}},
      {R"({"data": {"format": "bin"}})", {"data.format", "auto | text | jsonl | conllu | tokens | llmc"}},
      {nested(33), {"deeper than 32"}},
      {"{\"x\": " + nested(100000) + "}", {"deeper than 32"}},
      {"{\"x\": [" + std::string(200000, '0') + "]}", {"line 1"}},
      {"{\"x\": \"" + std::string(1 << 20, 'a') + "\"}", {"at most 1048576"}},
  };
  CHECK(std::size(cases) >= 60);
  for (const Broken& broken : cases) {
    minimoe_test::reset_largest_allocation();
    const std::string message = parse_error(broken.json);
    CHECK(minimoe_test::largest_allocation() < (1 << 21));
    INFO(broken.json.substr(0, 100) << "\n  -> " << message.substr(0, 400));
    CHECK(message.rfind("config: ", 0) == 0);
    CHECK(message.size() < 1000);
    CHECK(message.find('\n') == std::string::npos);
    for (const std::string& part : broken.message) {
      CHECK(message.find(part) != std::string::npos);
    }
  }
}

TEST_CASE("run_config: every bad field is named in one message", "[run_config]") {
  const std::string message = parse_error(
      R"({"model": {"d_model": 0, "norm": "x", "moe": {"top_k": "2", "topk": 2}},
          "train": {"steps": 1.5, "steps": 2, "beta1": 2}, "data": {"corpus": 7}, "extra": 1})");
  for (const char* part :
       {"model.d_model: 0", "model.norm: \"x\"", "model.moe.top_k: \"2\"", "model.moe.topk: unknown",
        "train.steps: 1.5", "train.steps: the key", "train.beta1: 2", "data.corpus: 7", "extra: unk"}) {
    INFO(message);
    CHECK(message.find(part) != std::string::npos);
  }
}

TEST_CASE("run_config: a text of many values is refused before it takes memory", "[run_config]") {
  std::string json = "{\"x\": [0";
  while (json.size() < 1000000) json += ",0";
  json += "]}";
  CHECK(parse_error(json).find("more than 65536 values") != std::string::npos);
}

TEST_CASE("run_config: problems name sizes that agree with their ranges but not with each other", "[run_config]") {
  const auto problems = [](auto&& change) {
    RunConfig config = lab_preset();
    change(config);
    std::string all;
    for (const std::string& problem : config.problems()) all += problem + "\n";
    return all;
  };
  const auto has = [](const std::string& all, const char* part) {
    INFO(all);
    CHECK(all.find(part) != std::string::npos);
  };
  CHECK(problems([](RunConfig&) {}).empty());
  has(problems([](RunConfig& c) { c.train.seq_len = 65; }),
      "train.seq_len: 65, allowed at most model.max_seq_len (64)");
  has(problems([](RunConfig& c) { c.model.num_heads = 5; }), "model.num_heads: 5");
  has(problems([](RunConfig& c) { c.model.num_heads = 0; }), "model.num_heads: 0");
  has(problems([](RunConfig& c) { c.model.moe_layers = {2}; }), "model.moe.layers: 2");
  has(problems([](RunConfig& c) { c.model.moe_layers = {1, 1}; }), "model.moe.layers: 1");
  has(problems([](RunConfig& c) { c.model.moe.top_k = 5; }), "model.moe.top_k: 5");
  has(problems([](RunConfig& c) { c.train.min_learning_rate = 1; }), "train.min_learning_rate: 1, allowed at most");
  has(problems([](RunConfig& c) { c.train.beta1 = std::nan(""); }), "train.beta1: nan");
  has(problems([](RunConfig& c) { c.data.languages = {}; }), "data.languages: an empty list");
  has(problems([](RunConfig& c) { c.data.languages = {"en", "en"}; }), "data.languages: a language");
  has(problems([](RunConfig& c) { c.model.num_layers = std::size_t{1} << 60; }),
      "model.num_layers: 1152921504606846976");
  has(problems([](RunConfig& c) { c.model.d_model = std::numeric_limits<std::size_t>::max(); }),
      "model.d_model: 18446");
  has(problems([](RunConfig& c) { c.model.norm = static_cast<NormKind>(9); }), "model.norm: 9, allowed layer_norm");
  has(problems([](RunConfig& c) {
        c.model.d_model = 65536;
        c.model.num_heads = 256;
        c.model.moe.num_experts = 4096;
        c.model.moe.d_expert = 1 << 20;
      }),
      "model: number of parameters is about 8.4");
  has(problems([](RunConfig& c) {
        c.train.batch_size = 65536;
        c.train.seq_len = c.model.max_seq_len = 1 << 20;
      }),
      "activations of a micro-batch are about");
  const std::string two = problems([](RunConfig& c) {
    c.model.num_layers = 0;
    c.train.steps = 0;
    c.model.moe.d_expert = 0;
  });
  CHECK(std::count(two.begin(), two.end(), '\n') == 4);  // model.moe.layers: 1 is not a block, too
}

TEST_CASE("run_config: the lab's presets are the lab's models", "[run_config]") {
  const RunConfig lab = lab_preset(), dense = lab_dense_preset();
  CHECK(lab.problems().empty());
  CHECK(dense.problems().empty());
  CHECK(dense.model.moe_layers.empty());
  CHECK(lab.model.moe_layers == std::vector<std::size_t>{1});
  const std::vector<KeyDifference> differences = compare_configs(lab, dense);
  REQUIRE(differences.size() == 1);
  CHECK(differences[0].key == "model.moe.layers");
  CHECK(differences[0].left == "[1]");
  CHECK(differences[0].right == "[]");
  CHECK(lab.model.num_layers == 2);
  CHECK(lab.model.d_model == 64);
  CHECK(lab.model.num_heads == 4);
  CHECK(lab.model.d_ff == 256);
  CHECK(lab.model.moe.num_experts == 4);
  CHECK(lab.model.moe.top_k == 2);
  CHECK(lab.model.moe.d_expert == 256);
  CHECK(lab.model.moe.aux_loss_coef == 0.01);
  CHECK(lab.model.moe.z_loss_coef == 0);
  CHECK(lab.train.seq_len == 64);
  CHECK(lab.train.batch_size == 16);
  CHECK(lab.train.seed == 36000);
  CHECK(lab.train.steps == 5000);
}

}  // namespace minimoe
