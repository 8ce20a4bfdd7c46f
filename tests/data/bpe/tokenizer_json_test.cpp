// SPDX-License-Identifier: Apache-2.0
#include "data/bpe/tokenizer_json.hpp"

#include <nlohmann/json.hpp>

#include "data/file/refusal.hpp"
#include "support/catch.hpp"

using minimoe::BpeTokenizer;
using minimoe::ErrorCode;
using minimoe::read_tokenizer_json;
using minimoe::tokenizer_json;
using minimoe::train_bpe;
using minimoe::test::refusal_of;
using Json = nlohmann::ordered_json;

namespace {

Json sample() { return Json::parse(tokenizer_json(train_bpe("abab ab ab xy", 260))); }

}  // namespace

TEST_CASE("tokenizer_json: what is written is read back to the same tokenizer, and written to the same bytes",
          "[bpe]") {
  const BpeTokenizer tokenizer = train_bpe("abab ab ab xy ñandú \" \\ \n\n 'tis", 300);
  const std::string text = tokenizer_json(tokenizer);
  const BpeTokenizer again = read_tokenizer_json(text, "t.json");
  CHECK(again.tokens() == tokenizer.tokens());
  CHECK(again.merges() == tokenizer.merges());
  CHECK(tokenizer_json(again) == text);
}

TEST_CASE("tokenizer_json: older merges, GPT-2's added token and left-out keys are read", "[bpe]") {
  Json json = sample();
  const BpeTokenizer tokenizer = read_tokenizer_json(json.dump(), "t.json");
  for (Json& merge : json["model"]["merges"]) merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  json["model"]["vocab"]["<|endoftext|>"] = 260;
  json["added_tokens"] = {{{"id", 260}, {"content", "<|endoftext|>"}, {"special", true}}};
  for (const char* key : {"version", "truncation", "padding", "normalizer", "decoder"}) json.erase(key);
  json["post_processor"] = {{"type", "ByteLevel"}};
  json["pre_tokenizer"].erase("use_regex");
  json["model"]["continuing_subword_prefix"] = "";
  const BpeTokenizer older = read_tokenizer_json(json.dump(2), "t.json");
  CHECK(older.merges() == tokenizer.merges());
  CHECK(older.tokens().back() == "<|endoftext|>");
  CHECK(older.encode("ab<|endoftext|>") == tokenizer.encode("ab<|endoftext|>"));  // text like any other
}

TEST_CASE("tokenizer_json: a file of the shape of GPT-2's own is read", "[bpe]") {
  const Json ours = sample();
  Json vocab = ours["model"]["vocab"], merges = Json::array();
  for (const Json& merge : ours["model"]["merges"]) {
    merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  vocab["<|endoftext|>"] = 260;
  const Json gpt2 = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens",
                      {{{"id", 260},
                        {"special", true},
                        {"content", "<|endoftext|>"},
                        {"single_word", false},
                        {"lstrip", false},
                        {"rstrip", false},
                        {"normalized", true}}}},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}}},
                     {"post_processor", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}}},
                     {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}}},
                     {"model",
                      {{"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", ""},
                       {"end_of_word_suffix", ""},
                       {"fuse_unk", false},
                       {"vocab", vocab},
                       {"merges", merges}}}};
  const BpeTokenizer tokenizer = read_tokenizer_json(gpt2.dump(), "t.json");
  CHECK(tokenizer.vocab_size() == 261);
  CHECK(tokenizer.merges() == read_tokenizer_json(ours.dump(), "t.json").merges());
}

TEST_CASE("tokenizer_json: each of more than a hundred broken files is refused with its key and what is allowed",
          "[bpe]") {
  struct Broken {
    std::string text, said;
  };
  std::vector<Broken> broken;
  const std::string good = sample().dump();
  const auto add = [&](const Json& json, const std::string& said) { broken.push_back({json.dump(), said}); };
  const auto set = [&](const char* pointer, const Json& value, const std::string& said) {
    Json json = sample();
    json[Json::json_pointer(pointer)] = value;
    add(json, said);
  };
  for (std::size_t size = 0; size < good.size(); size += 1 + good.size() / 40) {
    broken.push_back({good.substr(0, size), "line 1, column "});
  }
  for (const char* text : {"[]", "7", "null", "\"BPE\""}) broken.push_back({text, "the document is "});
  broken.push_back({std::string(1'000'000, '['), "nested deeper than 16 levels"});
  broken.push_back({"{\"model\":" + std::string(20, '[') + std::string(20, ']') + "}", "nested deeper"});
  broken.push_back({good + "x", "line 1, column "});
  broken.push_back({good + std::string(1, '\0'), "NUL"});
  broken.push_back({"\xFF" + good, "line 1, column 1"});
  broken.push_back({good.substr(0, good.size() - 1) + ",\"model\":{}}", "model is there twice"});
  for (const char* key : {"model", "pre_tokenizer"}) {
    for (const Json& value : {Json(), Json(7), Json("BPE"), Json::array(), Json(true)}) {
      set((std::string("/") + key).c_str(), value, std::string(key) + " is ");
    }
    Json json = sample();
    json.erase(key);
    add(json, std::string(key) + " is missing");
  }
  for (const char* key : {"normalizer", "truncation", "padding"}) {
    for (const Json& value : {Json::object(), Json("NFC"), Json(1), Json::array()}) {
      set((std::string("/") + key).c_str(), value, std::string(key) + " is ");
    }
  }
  for (const Json& type : {Json("Whitespace"), Json("bytelevel"), Json(), Json(3)}) {
    set("/pre_tokenizer/type", type, "pre_tokenizer.type is ");
  }
  for (const Json& value : {Json(true), Json(), Json(0), Json("no")}) {
    set("/pre_tokenizer/add_prefix_space", value, "pre_tokenizer.add_prefix_space is ");
  }
  for (const Json& value : {Json(false), Json(1)})
    set("/pre_tokenizer/use_regex", value, "pre_tokenizer.use_regex is ");
  set("/post_processor", "x", "post_processor is ");
  set("/post_processor", {{"type", "TemplateProcessing"}}, "post_processor.type is ");
  for (const Json& type : {Json("WordPiece"), Json("Unigram"), Json(), Json(1)})
    set("/model/type", type, "model.type is ");
  for (const char* key :
       {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges"}) {
    for (const Json& value : {Json(0.5), Json("##"), Json(true)}) {
      set((std::string("/model/") + key).c_str(), value, std::string("model.") + key + " is ");
    }
  }
  for (const Json& value : {Json(), Json::array(), Json("x"), Json::object()})
    set("/model/vocab", value, "model.vocab is ");
  for (const Json& id : {Json(-1), Json(1.5), Json("3"), Json(), Json(260), Json(5), Json(std::uint64_t{1} << 63),
                         Json(1e300), Json::array(), Json::object(), Json(true)}) {
    set("/model/vocab/a", id, "model.vocab.a is ");
  }
  for (const char* name : {"", " ", "\n", "\u00AD", "\u0144", "\u20AC", "a b"}) {
    Json json = sample();
    json["model"]["vocab"][name] = 260;
    add(json, "is no name of bytes");
  }
  {
    Json json = sample();
    json["model"]["vocab"].erase("a");
    json["model"]["vocab"]["qq"] = 64;
    add(json, "model.vocab is of 255 single bytes");
    json["model"]["vocab"].erase("qq");
    add(json, "from 0 to 258");
    json = sample();
    for (int i = 260; i <= 65536; ++i) json["model"]["vocab"]["q" + std::to_string(i)] = i;
    add(json, "model.vocab is 65537 tokens");
  }
  for (const Json& value : {Json(), Json("a b"), Json::object(), Json(1)})
    set("/model/merges", value, "model.merges is ");
  for (const Json& pair : {Json(), Json(7), Json("ab"), Json("a"), Json("a  b"), Json(" ab"), Json("a b c"),
                           Json("q r"), Json::array(), Json({"a"}), Json({"a", 1}), Json({"a", "b", "c"}),
                           Json({"a", "c"}), Json({"", "ab"}), Json({"zz", "a"}), Json::object()}) {
    set("/model/merges/1", pair, "model.merges[1] is ");
  }
  for (const Json& tokens : {Json("x"), Json::object(), Json(1)}) set("/added_tokens", tokens, "added_tokens is ");
  for (const Json& token :
       {Json(), Json("x"), Json::object(), Json{{"id", 3}}, Json{{"content", "a"}}, Json{{"id", 260}, {"content", "a"}},
        Json{{"id", 3}, {"content", "a"}}, Json{{"id", -1}, {"content", "a"}}, Json{{"id", "64"}, {"content", "a"}}}) {
    set("/added_tokens", Json::array({token}), "added_tokens[0] is ");
  }
  CHECK(broken.size() > 150);
  for (const Broken& file : broken) {
    const auto refusal = refusal_of([&] { read_tokenizer_json(file.text, "t.json"); });
    INFO(file.text.substr(0, 300) << "\n" << file.said << "\n" << refusal.message);
    CHECK(refusal.code == ErrorCode::kCorruptFile);
    CHECK(refusal.says("t.json: ", {file.said.c_str()}));
  }
}
