// SPDX-License-Identifier: Apache-2.0
#include "minimoe/exchange/gguf.hpp"

#include <filesystem>

#include "data/bpe/tokenizer_json.hpp"
#include "exchange/gguf_file.hpp"
#include "exchange/gguf_models.hpp"
#include "exchange/same_values.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"
#include "support/temporary_directory.hpp"

namespace minimoe {
namespace {

using minimoe_test::read_file;
using minimoe_test::refusal;
using minimoe_test::TemporaryDirectory;
using minimoe_test::write_file;
using test::fill_gguf;
using test::one_of_each;
using test::small_gguf;
using test::small_moe;

std::string bytes_of(std::uint32_t value) { return std::string(reinterpret_cast<const char*>(&value), sizeof value); }

}  // namespace

TEST_CASE("gguf: every value comes back from an export, and the same bytes from the next", "[exchange]") {
  const char* const names[] = {"gpt2", "llama", "llama", "qwen3moe", "olmoe", "qwen2moe", "ernie4_5-moe"};
  for (std::size_t m = 0; m < one_of_each().size(); ++m) {
    const ModelConfig config = one_of_each()[m];
    const TemporaryDirectory directory;
    MiniGPT<float> model(config);
    fill_gguf(model, config.rope_pairing == RopePairing::kInterleaved);
    const std::string path = directory.file("out.gguf");
    export_gguf(path, config, model.parameters());
    CHECK(directory.num_entries() == 1);
    CHECK(GgufFile(path).metadata().at("general.architecture").text == names[m]);
    const GgufModel saved(path);
    CHECK(saved.config().norm_eps == config.norm_eps);
    MiniGPT<double> back(saved.config());
    saved.load_weights(back);
    minimoe_test::check_same_values(model.parameters(), back.parameters());
    export_gguf(directory.file("again.gguf"), saved.config(), back.parameters());
    CHECK(read_file(directory.file("again.gguf")) == read_file(path));
    MiniGPT<float> other(small_gguf(m == 0 ? llama_preset() : gpt2_preset()));
    CHECK_THROWS_AS(saved.load_weights(other), Error);
  }
}

TEST_CASE("gguf: llama's queries and keys have the rows of both halves in turn", "[exchange]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out.gguf");
  ModelConfig config = small_moe();
  const auto rows = [&](const char* name) {
    MiniGPT<float> model(config);
    for (const ParameterRef<float>& p : model.parameters()) {
      for (std::size_t i = 0; i < p.size() && p.name == "blocks.1.attn.qkv.weight"; ++i) {
        p.value[i] = static_cast<float>(i / 8);  // its row
      }
    }
    export_gguf(path, config, model.parameters());
    const GgufFile file(path);
    const auto at = std::find_if(file.entries().begin(), file.entries().end(),
                                 [name](const GgufFile::Entry& entry) { return entry.name == name; });
    std::vector<float> values(at->shape[0] * 8), firsts;
    file.read_as(*at, 0, values.size(), values.data());
    for (std::size_t row = 0; row < at->shape[0]; ++row) firsts.push_back(values[row * 8]);
    return firsts;
  };
  CHECK(rows("blk.1.attn_q.weight") == std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7});
  CHECK(rows("blk.1.attn_k.weight") == std::vector<float>{8, 10, 9, 11});
  CHECK(rows("blk.1.attn_v.weight") == std::vector<float>{12, 13, 14, 15});
  config.rope_pairing = RopePairing::kInterleaved;  // llama.cpp's own
  CHECK(rows("blk.1.attn_q.weight") == std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7});
  config.rope_pairing = RopePairing::kHalfSplit;
  config.qk_norm = true;
  CHECK(rows("blk.1.attn_q.weight") == std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE("gguf: a vocabulary of byte-level BPE is written as GPT-2's", "[exchange]") {
  const TemporaryDirectory directory;
  ModelConfig config = small_moe();
  config.vocab_size = 259;
  MiniGPT<float> model(config);
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  tokens.emplace_back("ab");
  const std::string json = tokenizer_json(BpeTokenizer(std::move(tokens), {{'a', 'b', 256}}));
  const std::string path = directory.file("out.gguf");
  export_gguf(path, config, model.parameters(), json);
  const GgufFile file(path);
  CHECK(file.metadata().at("tokenizer.ggml.model").text == "gpt2");
  CHECK(file.metadata().at("tokenizer.ggml.pre").text == "gpt-2");
  CHECK(file.metadata().at("tokenizer.ggml.tokens").count == 259);
  CHECK(file.metadata().at("tokenizer.ggml.token_type").count == 259);
  CHECK(file.metadata().at("tokenizer.ggml.merges").count == 1);
  CHECK(file.metadata().at("tokenizer.ggml.eos_token_id").integer == 255);
  CHECK(read_file(path).find("[PAD 258]") != std::string::npos);
  CHECK(GgufModel(path).config().vocab_size == 259);
  config.vocab_size = 256;
  MiniGPT<float> smaller(config);
  const auto parameters = smaller.parameters();
  CHECK_THROWS_WITH(export_gguf(path, config, parameters, json, "their.json"),
                    "export_gguf: their.json has 257 tokens, the model 256");
  CHECK_THROWS_WITH(export_gguf(path, config, parameters, "{}", "their.json"),
                    "their.json: model is missing, expected an object");
}

TEST_CASE("gguf: the width of qwen2moe's shared experts is a multiple of an expert's", "[exchange]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out.gguf");
  const ModelConfig config = one_of_each()[5];
  MiniGPT<float> model(config);
  fill_gguf(model, false);
  export_gguf(path, config, model.parameters());
  const std::string key = "qwen2moe.expert_shared_feed_forward_length" + bytes_of(4), whole = read_file(path);
  for (const std::uint32_t width : {0U, 3U, 9U}) {
    std::string bytes = whole;
    write_file(path, bytes.replace(bytes.find(key) + key.size(), 4, bytes_of(width)));
    CHECK_THAT(refusal<GgufModel>(path, ErrorCode::kUnsupported),
               ContainsSubstring(concat("qwen2moe.expert_shared_feed_forward_length: ", width,
                                        ", this library has multiples of expert_feed_forward_length = 4")));
  }
}

TEST_CASE("gguf: a tensor may have one row where the model has a vector", "[exchange]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out.gguf"), name = "blk.1.ffn_gate_inp_shexp.weight";
  const ModelConfig config = one_of_each()[5];
  MiniGPT<float> model(config);
  fill_gguf(model, false);
  export_gguf(path, config, model.parameters());
  const std::string whole = read_file(path);
  const auto with_rows = [&](char rows) {
    const GgufFile file(path);
    const auto end_of = [&](const GgufFile::Entry& entry) {  // of its name; then u32 rank, u64 extents, u32 type, u64
      const std::string length(1, static_cast<char>(entry.name.size()));
      return whole.rfind(length + std::string(7, '\0') + entry.name) + 8 + entry.name.size();
    };
    const GgufFile::Entry& last = file.entries().back();
    std::string list = whole.substr(0, end_of(last) + 4 + 8 * last.shape.size() + 12);
    const auto at = std::find_if(file.entries().begin(), file.entries().end(),
                                 [&](const GgufFile::Entry& entry) { return entry.name == name; });
    REQUIRE(at->shape == std::vector<std::size_t>{8});
    list.replace(end_of(*at), 4, bytes_of(2));
    list.insert(end_of(*at) + 12, std::string(1, rows) + std::string(7, '\0'));
    list.resize((list.size() + 31) / 32 * 32);
    return list + whole.substr(file.entries()[0].begin);
  };
  const std::string one = with_rows(1), two = with_rows(2);
  write_file(path, one);
  MiniGPT<float> back(config);
  GgufModel(path).load_weights(back);
  const ParameterList<float> written = model.parameters(), read = back.parameters();
  for (std::size_t i = 0; i < written.size(); ++i) {
    INFO(written[i].name);
    CHECK(std::equal(written[i].value, written[i].value + written[i].size(), read[i].value));
  }
  write_file(path, two);
  CHECK_THROWS_AS(GgufModel(path), Error);
}

TEST_CASE("gguf: a name that fills up the vocabulary is no token's", "[exchange]") {
  const TemporaryDirectory directory;
  ModelConfig config = small_moe();
  config.vocab_size = 266;
  const std::string name = "[PAD265]";
  std::vector<std::string> tokens;
  std::vector<BpeMerge> merges;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  std::uint32_t left = '[';
  for (std::size_t size = 2; size <= name.size(); ++size) {
    const auto result = static_cast<std::uint32_t>(tokens.size());
    merges.push_back({left, static_cast<std::uint32_t>(name[size - 1]), result});
    tokens.push_back(name.substr(0, size));
    left = result;
  }
  const std::string path = directory.file("out.gguf");
  export_gguf(path, config, MiniGPT<float>(config).parameters(), tokenizer_json(BpeTokenizer(tokens, merges)));
  const std::string bytes = read_file(path), entry = std::string("\x08\0\0\0\0\0\0\0", 8) + name;
  const std::size_t first = bytes.find(entry);
  REQUIRE(first != std::string::npos);
  CHECK(bytes.find(entry, first + 1) == std::string::npos);
}

TEST_CASE("gguf: the vocabulary's array counts the tokens, unless it is no vocabulary", "[exchange]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out.gguf");
  ModelConfig config = small_moe();
  config.vocab_size = 256;
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  export_gguf(path, config, MiniGPT<float>(config).parameters(), tokenizer_json(BpeTokenizer(tokens, {})));
  const std::string whole = read_file(path), size = std::string("llama.vocab_size") + bytes_of(4);
  const std::string kind = std::string("tokenizer.ggml.model") + bytes_of(8) + std::string("\x04\0\0\0\0\0\0\0", 8);
  const auto changed = [&](std::uint32_t vocab_size, const std::string& model) {
    std::string bytes = whole;
    bytes.replace(bytes.find(size) + size.size(), 4, bytes_of(vocab_size));
    bytes.replace(bytes.find(kind) + kind.size(), 4, model);
    write_file(path, bytes);
  };
  changed(7, "gpt2");
  CHECK(GgufModel(path).config().vocab_size == 256);
  changed(7, "none");
  CHECK_THAT(refusal<GgufModel>(path, ErrorCode::kShape),
             ContainsSubstring("token_embd.weight is [256, 8], expected [7"));
  changed(256, "none");
  CHECK(GgufModel(path).config().vocab_size == 256);
  // A text where the array should be, in place of two other keys.
  config.vocab_size = 7;
  export_gguf(path, config, MiniGPT<float>(config).parameters());
  std::string bytes = read_file(path);
  const std::size_t from = bytes.find("general.type") - 8, to = bytes.find("general.alignment") - 8;
  const std::string begin = std::string("\x15\0\0\0\0\0\0\0", 8) + "tokenizer.ggml.tokens" + bytes_of(8);
  const std::size_t rest = to - from - begin.size() - 8;
  bytes.replace(from, to - from,
                begin + bytes_of(static_cast<std::uint32_t>(rest)) + bytes_of(0) + std::string(rest, 'x'));
  --bytes[16];  // the number of keys
  write_file(path, bytes);
  CHECK(GgufModel(path).config().vocab_size == 7);
}

TEST_CASE("gguf: RoPE tables far larger than the weights are refused", "[exchange]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out.gguf");
  ModelConfig config = small_moe();
  config.d_model = 256;
  config.num_heads = config.num_kv_heads = 1;
  export_gguf(path, config, MiniGPT<float>(config).parameters());
  std::string bytes = read_file(path);
  const std::string key = "llama.context_length" + bytes_of(4);
  const auto with_context = [&](std::uint32_t length) {
    write_file(path, bytes.replace(bytes.find(key) + key.size(), 4, bytes_of(length)));
  };
  with_context(1 << 18);  // 256 MiB
  CHECK(GgufModel(path).config().max_seq_len == 1 << 18);
  with_context((1 << 18) + 1);
  CHECK_THAT(refusal<GgufModel>(path, ErrorCode::kUnsupported),
             ContainsSubstring("context_length: 262145: its tables of 268436480 bytes are above"));
}

TEST_CASE("gguf: F16 queries and keys of grouped heads come back in the rows of halves", "[exchange]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out.gguf");
  ModelConfig config = small_moe();
  config.attention_bias = true;
  config.moe_layers = {};
  export_gguf(path, config, MiniGPT<float>(config).parameters());
  // The same file in float16: every tensor's values are its rows' numbers, as the file has them.
  const std::string whole = read_file(path);
  const GgufFile file(path);
  std::string list = whole.substr(0, file.entries()[0].begin), data;
  for (const GgufFile::Entry& entry : file.entries()) {
    const std::string name = entry.name;
    // u64 length, name, u32 rank, u64 extents, u32 type, u64 offset
    const std::size_t at = list.rfind(std::string(1, static_cast<char>(name.size())) + std::string(7, '\0') + name);
    const std::size_t type = at + 8 + name.size() + 4 + 8 * entry.shape.size();
    const auto offset = static_cast<std::uint64_t>(data.size());
    list.replace(type, 4, bytes_of(1));
    list.replace(type + 4, 8, reinterpret_cast<const char*>(&offset), 8);
    std::size_t size = 1;
    for (const std::size_t extent : entry.shape) size *= extent;
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t row = i / (size / entry.shape[0]);
      // 1 + row / 16: exponent 15, and the row's four bits at the top of the fraction
      const auto half = static_cast<std::uint16_t>(0x3C00 | (row % 16) << 6);
      data.append(reinterpret_cast<const char*>(&half), sizeof half);
    }
    data.resize((data.size() + 31) / 32 * 32);
  }
  write_file(path, list + data);
  const GgufModel saved(path);
  REQUIRE(saved.config().num_kv_heads == 1);
  MiniGPT<float> model(saved.config());
  saved.load_weights(model);
  // Heads of 4 rows: 0 2 of the file are one half, 1 3 the other; two of queries, one of keys, then the values as they
  // are.
  const std::vector<float> rows = {0, 2, 1, 3, 4, 6, 5, 7, 0, 2, 1, 3, 0, 1, 2, 3};
  std::size_t seen = 0;
  for (const ParameterRef<float>& p : model.parameters()) {
    const bool weight = p.name == "blocks.1.attn.qkv.weight";
    if (!weight && p.name != "blocks.1.attn.qkv.bias") continue;
    ++seen;
    REQUIRE(p.size() == rows.size() * (weight ? 8 : 1));
    for (std::size_t i = 0; i < p.size(); ++i) CHECK(p.value[i] == 1 + rows[i / (weight ? 8 : 1)] / 16);
  }
  CHECK(seen == 2);
}

TEST_CASE("gguf: what is no model of ours is one error that names it", "[exchange]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("out.gguf");
  const ModelConfig config = small_moe();
  export_gguf(path, config, MiniGPT<float>(config).parameters());
  const std::string whole = read_file(path);
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string bytes = whole;
    const std::size_t at = bytes.find(from);
    REQUIRE(at != std::string::npos);
    REQUIRE(from.size() == to.size());
    write_file(path, bytes.replace(at, from.size(), to));
  };
  const auto u32_key = [](const std::string& name, std::uint32_t value) {
    return name + bytes_of(4) + bytes_of(value);
  };
  for (const char* name : {"vocab_size", "context_length", "embedding_length", "block_count", "feed_forward_length",
                           "attention.head_count", "expert_used_count"}) {
    const std::string key = concat("llama.", name);
    std::string other = key;
    other.back() = 'X';
    changed(key + bytes_of(4), other + bytes_of(4));
    CHECK_THAT(refusal<GgufModel>(path, ErrorCode::kCorruptFile), ContainsSubstring(key + " is missing"));
  }
  changed("llama.attention.layer_norm_rms_epsilon", "llama.attention.layer_norm_rms_epsiloN");
  CHECK_THAT(refusal<GgufModel>(path, ErrorCode::kCorruptFile), ContainsSubstring("rms_epsilon is missing"));
  changed("llama.attention.key_length", "llama.attention.sliding___");
  CHECK_THAT(refusal<GgufModel>(path, ErrorCode::kUnsupported),
             ContainsSubstring("\"llama.attention.sliding___\": 4, unknown"));
  changed("general.architecture", "general.architecturX");
  CHECK_THAT(refusal<GgufModel>(path, ErrorCode::kCorruptFile), ContainsSubstring("general.architecture is missing"));
  const std::string name_bytes = std::string("\x05\0\0\0\0\0\0\0", 8);
  changed(name_bytes + "llama", name_bytes + "gemma");
  CHECK_THAT(refusal<GgufModel>(path, ErrorCode::kUnsupported), ContainsSubstring("\"gemma\" cannot be imported"));
  const std::tuple<const char*, std::uint32_t, std::uint32_t, ErrorCode, const char*> values[] = {
      {"llama.block_count", 2, 0, ErrorCode::kUnsupported, "model.num_layers: 0"},
      {"llama.block_count", 2, 3, ErrorCode::kShape, "blk.2.attn_norm.weight is missing"},
      {"llama.block_count", 2, 1000, ErrorCode::kShape, "1000 blocks, but"},
      {"llama.block_count", 2, 1 << 20, ErrorCode::kUnsupported, "model.num_layers"},
      {"llama.block_count", 2, ~0U, ErrorCode::kCorruptFile, "one integer of at most"},
      {"llama.attention.head_count", 2, 0, ErrorCode::kUnsupported, "model.num_heads: 0"},
      {"llama.attention.head_count", 2, 3, ErrorCode::kUnsupported, "model.num_heads: 3"},
      {"llama.attention.head_count_kv", 1, 2, ErrorCode::kShape, "blk.0.attn_k.weight is [4, 8], expected [8, 8]"},
      {"llama.embedding_length", 8, 0, ErrorCode::kUnsupported, "model.d_model: 0"},
      {"llama.vocab_size", 7, 8, ErrorCode::kShape, "token_embd.weight is [7, 8], expected [8, 8]"},
      {"llama.context_length", 5, 1 << 20, ErrorCode::kShape, ""},
      {"llama.rope.dimension_count", 4, 2, ErrorCode::kUnsupported, "rope.dimension_count: 2, this library has 4"},
      {"llama.expert_count", 3, 2, ErrorCode::kShape, "blk.0.ffn_gate_inp.weight is [3, 8], expected [2, 8]"},
      {"llama.expert_count", 3, 0, ErrorCode::kShape, "is not a tensor of the model"},
      {"llama.expert_count", 3, 1 << 20, ErrorCode::kUnsupported, "moe.num_experts"},
      {"llama.expert_used_count", 2, 4, ErrorCode::kUnsupported, "moe.top_k"},
  };
  for (const auto& [key, from, to, code, message] : values) {
    INFO(key << " = " << to);
    changed(u32_key(key, from), u32_key(key, to));
    if (*message == '\0') {
      CHECK_NOTHROW(GgufModel(path));
    } else {
      CHECK_THAT(refusal<GgufModel>(path, code), ContainsSubstring(message));
    }
  }
  changed("blk.1.ffn_gate_inp.weight", "blk.1.ffn_gate_inq.weight");
  const std::string said = refusal<GgufModel>(path, ErrorCode::kShape);
  CHECK_THAT(said, ContainsSubstring("blk.1.ffn_gate_inp.weight is missing"));
  CHECK_THAT(said, ContainsSubstring("\"blk.1.ffn_gate_inq.weight\" is not a tensor of the model"));
}

}  // namespace minimoe
