// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "exchange/hf_tensors.hpp"
#include "exchange/same_values.hpp"
#include "minimoe/exchange/hugging_face.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"
#include "support/temporary_directory.hpp"
#include "train/safetensors.hpp"

namespace minimoe {
namespace {

using minimoe_test::read_file;
using minimoe_test::refusal;
using minimoe_test::TemporaryDirectory;
using minimoe_test::write_file;

ModelConfig tiny_model(ModelConfig config) {
  config.vocab_size = 7;
  config.max_seq_len = 5;
  config.num_layers = 2;
  config.d_model = 6;
  config.num_heads = 1;
  config.d_ff = 4;
  config.moe.num_experts = 3;
  config.moe.d_expert = 2;
  return config;
}

ModelConfig tiny_ernie() {
  ModelConfig config = tiny_model(llama_preset());
  config.rope_pairing = RopePairing::kInterleaved;
  config.moe_layers = {1};
  config.moe.num_shared_experts = 1;
  return config;
}

ModelConfig tiny_olmoe() {
  ModelConfig config = tiny_model(llama_preset());
  config.num_heads = 3;
  config.qk_norm = config.qk_norm_full_width = true;
  config.moe_layers = {0, 1};
  return config;
}

ModelConfig tiny_qwen2_moe() {
  ModelConfig config = tiny_model(llama_preset());
  config.attention_bias = true;
  config.attention_output_bias = false;
  config.moe_layers = {1};
  config.moe.num_shared_experts = 2;
  config.moe.shared_expert_gate = true;
  return config;
}

void fill(MiniGPT<float>& model) {
  float next = 0;
  for (const ParameterRef<float>& p : model.parameters()) {
    for (std::size_t i = 0; i < p.size(); ++i) p.value[i] = next += 0.25F;
  }
}

std::vector<TensorToWrite> tensors_of(const SafetensorsFile& file, std::vector<std::vector<float>>& memory) {
  std::vector<TensorToWrite> tensors;
  memory.reserve(file.entries().size());
  for (const SafetensorsFile::Entry& entry : file.entries()) {
    std::vector<float>& values = memory.emplace_back((entry.end - entry.begin) / 4);
    file.read(entry, values.data());
    tensors.push_back({entry.name, TensorType::kF32, entry.shape, values.data()});
  }
  return tensors;
}

}  // namespace

TEST_CASE("hugging face: every value comes back from an export", "[exchange]") {
  for (const ModelConfig& config : {tiny_model(gpt2_preset()), tiny_ernie(), tiny_olmoe(), tiny_qwen2_moe()}) {
    const TemporaryDirectory directory;
    MiniGPT<float> model(config);
    fill(model);
    for (const ParameterRef<float>& p : model.parameters()) {
      if (p.role == Role::kBuffer && config.rope_pairing == RopePairing::kHalfSplit)
        std::fill_n(p.value, p.size(), 0.0F);
    }
    export_hugging_face(directory.file("out"), config, model.parameters());
    const HuggingFaceModel saved(directory.file("out"));
    MiniGPT<double> back(saved.config());
    saved.load_weights(back);
    minimoe_test::check_same_values(model.parameters(), back.parameters());
    MiniGPT<float> other(tiny_model(llama_preset()));
    if (config.position == PositionKind::kLearned) CHECK_THROWS_AS(saved.load_weights(other), Error);
  }
}

TEST_CASE("hugging face: an export that fails leaves no old configuration beside its weights", "[exchange]") {
  const TemporaryDirectory directory;
  const ModelConfig config = tiny_ernie();
  MiniGPT<float> model(config);
  const std::string out = directory.file("out");
  export_hugging_face(out, config, model.parameters());
  std::filesystem::remove(out + "/model.safetensors");
  std::filesystem::create_directory(out + "/model.safetensors");
  CHECK_THROWS_AS(export_hugging_face(out, config, model.parameters()), Error);
  CHECK(!std::filesystem::exists(out + "/config.json"));
}

TEST_CASE("hugging face: an expert_bias is 0 where the format has none", "[exchange]") {
  const TemporaryDirectory directory;
  ModelConfig config = tiny_model(llama_preset());
  config.moe_layers = {0, 1};
  MiniGPT<float> model(config);
  export_hugging_face(directory.file("out"), config, model.parameters());
  fill(model);
  CHECK_THROWS_AS(export_hugging_face(directory.file("again"), config, model.parameters()), Error);
  CHECK(!std::filesystem::exists(directory.file("again")));
  HuggingFaceModel(directory.file("out")).load_weights(model);
  for (const ParameterRef<float>& p : model.parameters())
    CHECK(std::count(p.value, p.value + p.size(), 0.0F) == static_cast<std::ptrdiff_t>(p.size()));
}

TEST_CASE("hugging face: names without a prefix and the buffers of old files are read", "[exchange]") {
  const TemporaryDirectory directory;
  const ModelConfig config = tiny_model(gpt2_preset());
  MiniGPT<float> model(config);
  export_hugging_face(directory.file("out"), config, model.parameters());
  const std::string path = directory.file("out") + "/model.safetensors";
  std::vector<std::vector<float>> memory;
  std::vector<TensorToWrite> tensors = tensors_of(SafetensorsFile(path), memory);
  for (TensorToWrite& tensor : tensors) {
    if (tensor.name.starts_with("transformer.")) tensor.name.erase(0, 12);
  }
  const std::vector<float> mask(25);
  tensors.push_back({"h.0.attn.bias", TensorType::kF32, {1, 1, 5, 5}, mask.data()});
  write_safetensors(path, tensors, {});
  CHECK_NOTHROW(HuggingFaceModel(directory.file("out")));
  tensors.back().name = "h.0.attn.offset";
  write_safetensors(path, tensors, {});
  CHECK_THAT(refusal<HuggingFaceModel>(directory.file("out"), ErrorCode::kShape),
             ContainsSubstring("\"h.0.attn.offset\" is not a tensor of the model"));
}

TEST_CASE("hugging face: a head in the file of tied embeddings must be the embedding", "[exchange]") {
  for (ModelConfig config : {tiny_model(gpt2_preset()), tiny_model(llama_preset())}) {
    const TemporaryDirectory directory;
    config.tied_embeddings = true;
    config.vocab_size = 5000;  // more than is compared at once
    MiniGPT<float> model(config);
    fill(model);
    const std::string out = directory.file("out"), path = out + "/model.safetensors";
    export_hugging_face(out, config, model.parameters());
    std::vector<std::vector<float>> memory;
    std::vector<TensorToWrite> tensors = tensors_of(SafetensorsFile(path), memory);
    const float* embedding = model.parameters()[0].value;
    REQUIRE(model.parameters()[0].name == "token_embedding.weight");
    std::vector<float> head(embedding, embedding + model.parameters()[0].size());
    tensors.push_back({"lm_head.weight", TensorType::kF32, {5000, 6}, head.data()});
    write_safetensors(path, tensors, {});
    CHECK_NOTHROW(HuggingFaceModel(out));
    for (const std::size_t i : {std::size_t{0}, head.size() - 1}) {
      head[i] += 1;
      write_safetensors(path, tensors, {});
      CHECK_THAT(refusal<HuggingFaceModel>(out, ErrorCode::kUnsupported), ContainsSubstring("lm_head.weight is not"));
      head[i] = embedding[i];
    }
    tensors.back().shape = {6, 5000};
    write_safetensors(path, tensors, {});
    CHECK_THAT(refusal<HuggingFaceModel>(out, ErrorCode::kUnsupported), ContainsSubstring("lm_head.weight is not"));
  }
}

TEST_CASE("hugging face: positions that no tensor backs are bounded", "[exchange]") {
  const TemporaryDirectory directory;
  ModelConfig config = tiny_model(llama_preset());
  config.d_model = 66;
  const std::string out = directory.file("out");
  export_hugging_face(out, config, MiniGPT<float>(config).parameters());
  const std::string json = read_file(out + "/config.json");
  const auto with_positions = [&](std::size_t count) {
    std::string changed = json;
    const std::string key = "\"max_position_embeddings\": ";
    write_file(out + "/config.json", changed.replace(changed.find(key + "5"), key.size() + 1, concat(key, count)));
  };
  with_positions(1016800);  // times 66 times 4 bytes: just below 2^28
  CHECK(HuggingFaceModel(out).config().max_seq_len == 1016800);
  with_positions(1016801);
  CHECK_THAT(refusal<HuggingFaceModel>(out, ErrorCode::kUnsupported),
             ContainsSubstring("config.json: max_position_embeddings: 1016801"));
}

TEST_CASE("hugging face: what is no model is refused before anything large is allocated", "[exchange]") {
  const TemporaryDirectory directory;
  const ModelConfig config = tiny_ernie();
  MiniGPT<float> model(config);
  const std::string out = directory.file("out");
  export_hugging_face(out, config, model.parameters());
  const std::string json = read_file(out + "/config.json");

  CHECK_THAT(refusal<HuggingFaceModel>(directory.file("nowhere"), ErrorCode::kIo), ContainsSubstring("config.json"));
  write_file(out + "/config.json", std::string(1 << 21, ' '));
  CHECK_THAT(refusal<HuggingFaceModel>(out, ErrorCode::kCorruptFile),
             ContainsSubstring("is larger than 1048576 bytes"));
  std::string large = json;
  large.replace(large.find("\"moe_num_experts\": 3"), 20, "\"moe_num_experts\": 4096");
  large.replace(large.find("\"num_hidden_layers\": 2"), 22, "\"num_hidden_layers\": 1024");
  large.replace(large.find("\"moe_layer_end_index\": 1"), 24, "\"moe_layer_end_index\": -1");
  write_file(out + "/config.json", large);
  CHECK_THAT(refusal<HuggingFaceModel>(out, ErrorCode::kShape), ContainsSubstring("tensors, the files have"));
  write_file(out + "/config.json", json);

  std::filesystem::rename(out + "/model.safetensors", out + "/part.safetensors");
  CHECK_THAT(refusal<HuggingFaceModel>(out, ErrorCode::kIo), ContainsSubstring("has no model.safetensors"));
  write_file(out + "/pytorch_model.bin", "x");
  CHECK_THAT(refusal<HuggingFaceModel>(out, ErrorCode::kIo), ContainsSubstring("pytorch_model.bin is not read"));
  const std::string index = out + "/model.safetensors.index.json";
  write_file(index, R"({"weight_map": {"a": "part.safetensors", "b": "part.safetensors"}})");
  CHECK_NOTHROW(HuggingFaceModel(out));
  const std::pair<const char*, const char*> broken[] = {
      {"", "line 1"},
      {"{}", "weight_map is missing"},
      {R"({"weight_map": {}})", "weight_map is missing, empty"},
      {R"({"weight_map": []})", "weight_map is missing, empty or not an object"},
      {R"({"weight_map": {"a": "part.safetensors", "a": "other.safetensors"}})",
       "weight_map.a: the key stands there twice"},
      {R"({"weight_map": {"a": 3}})", "weight_map: 3, allowed the name of a file"},
      {R"({"weight_map": {"a": ""}})", "allowed the name of a file"},
      {R"({"weight_map": {"a": ".."}})", "allowed the name of a file"},
      {R"({"weight_map": {"a": "../out/part.safetensors"}})", "allowed the name of a file"},
      {R"({"weight_map": {"a": "/etc/passwd"}})", "allowed the name of a file"},
      {R"({"weight_map": {"a": "b\u0000c"}})", "allowed the name of a file"},
  };
  for (const auto& [text, message] : broken) {
    write_file(index, text);
    if (*text == '\0') {
      CHECK(!refusal<HuggingFaceModel>(out, ErrorCode::kCorruptFile).empty());
    } else {
      CHECK_THAT(refusal<HuggingFaceModel>(out, ErrorCode::kCorruptFile), ContainsSubstring(message));
    }
  }
  write_file(index, R"({"weight_map": {"a": "missing.safetensors"}})");
  CHECK_THAT(refusal<HuggingFaceModel>(out, ErrorCode::kIo), ContainsSubstring("missing.safetensors: cannot open"));
  std::filesystem::copy(out + "/part.safetensors", out + "/twin.safetensors");
  write_file(index, R"({"weight_map": {"a": "part.safetensors", "b": "twin.safetensors"}})");
  CHECK_THAT(refusal<HuggingFaceModel>(out, ErrorCode::kCorruptFile), ContainsSubstring("is in another file too"));
}

/// Puts each tensor into a file of its own.
void split(const std::string& out) {
  std::string map;
  {
    const SafetensorsFile file(out + "/model.safetensors");
    std::vector<std::vector<float>> memory;
    std::size_t number = 0;
    for (const TensorToWrite& tensor : tensors_of(file, memory)) {
      const std::string shard = concat("shard-", number++, ".safetensors");
      map += concat(map.empty() ? "" : ",", '"', tensor.name, "\":\"", shard, '"');
      write_safetensors(out + "/" + shard, {tensor}, {});
    }
  }
  write_file(out + "/model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
  std::filesystem::remove(out + "/model.safetensors");
}

std::ptrdiff_t num_open_files() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

TEST_CASE("hugging face: shards are not held open, and one that is replaced is not mixed with the others",
          "[exchange]") {
  const TemporaryDirectory directory;
  const ModelConfig config = tiny_ernie();
  MiniGPT<float> model(config), back(config);
  fill(model);
  const std::string out = directory.file("out");
  export_hugging_face(out, config, model.parameters());
  split(out);
  const std::ptrdiff_t before = num_open_files();
  const HuggingFaceModel saved(out);
  CHECK(num_open_files() == before);
  saved.load_weights(back);
  CHECK(num_open_files() == before);
  const ParameterList<float> written = model.parameters(), read = back.parameters();
  for (std::size_t i = 0; i < written.size(); ++i) {
    INFO(written[i].name);
    CHECK(std::equal(written[i].value, written[i].value + written[i].size(), read[i].value));
  }
  const std::string content = read_file(out + "/shard-3.safetensors");
  std::filesystem::remove(out + "/shard-3.safetensors");
  write_file(out + "/shard-3.safetensors", content + "more");
  CHECK_THROWS_WITH(saved.load_weights(back),
                    ContainsSubstring("shard-3.safetensors") && ContainsSubstring("the file has changed"));
  std::filesystem::remove(out + "/shard-3.safetensors");
  CHECK_THROWS_WITH(saved.load_weights(back), ContainsSubstring("shard-3.safetensors: cannot open"));
}

}  // namespace minimoe
