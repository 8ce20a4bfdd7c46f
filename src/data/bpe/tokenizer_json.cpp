// SPDX-License-Identifier: Apache-2.0
#include "data/bpe/tokenizer_json.hpp"

#include <optional>
#include <utility>

#include "core/json_writer.hpp"
#include "core/strict_json.hpp"
#include "data/bpe/byte_characters.hpp"

namespace minimoe {
namespace {

using Kind = JsonValue::Kind;

class TokenizerReader {
 public:
  explicit TokenizerReader(const std::string& path) : path_(path) {}

  BpeTokenizer read(std::string_view text) const;

 private:
  [[noreturn]] void refuse(const std::string& key, const std::string& found, const std::string& expected) const {
    throw Error(ErrorCode::kCorruptFile, concat(path_, ": ", key, " is ", found, ", expected ", expected));
  }
  /// The member `name` of `parent`, which must be of that kind.
  const JsonValue& member(const JsonValue& parent, const std::string& name, const char* key, Kind kind,
                          const char* expected) const;
  /// The member `name`, unless it is left out or null, must be `allowed` in JSON (texts in quotes).
  void allow(const JsonValue& parent, const char* name, const std::string& key, const std::string& allowed) const;
  void check_pipeline(const JsonValue& root, const JsonValue& model) const;
  std::vector<std::string> read_vocab(const JsonValue& vocab,
                                      std::unordered_map<std::string, std::uint32_t>& ids) const;
  void check_added_tokens(const JsonValue& root, const std::vector<std::string>& tokens) const;

  const std::string& path_;
};

const JsonValue& TokenizerReader::member(const JsonValue& parent, const std::string& name, const char* key, Kind kind,
                                         const char* expected) const {
  const JsonValue* value = parent.find(name);
  if (!value || value->kind != kind) refuse(key, value ? value->description() : "missing", expected);
  return *value;
}

void TokenizerReader::allow(const JsonValue& parent, const char* name, const std::string& key,
                            const std::string& allowed) const {
  const JsonValue* value = parent.find(name);
  if (!value || value->kind == Kind::kNull) return;
  const std::string found = value->kind == Kind::kString ? in_quotes(value->text) : value->description();
  if (found != allowed) refuse(key, found, allowed + (allowed == "null" ? "" : " or null"));
}

// Everything that could make other ids of the same text.
void TokenizerReader::check_pipeline(const JsonValue& root, const JsonValue& model) const {
  for (const char* name : {"normalizer", "truncation", "padding"}) allow(root, name, name, "null");
  const JsonValue& split = member(root, "pre_tokenizer", "pre_tokenizer", Kind::kObject, "a ByteLevel object");
  const JsonValue& type = member(split, "type", "pre_tokenizer.type", Kind::kString, "\"ByteLevel\"");
  if (type.text != "ByteLevel") refuse("pre_tokenizer.type", in_quotes(type.text), "\"ByteLevel\"");
  const JsonValue& prefix = member(split, "add_prefix_space", "pre_tokenizer.add_prefix_space", Kind::kBool, "false");
  if (prefix.boolean) refuse("pre_tokenizer.add_prefix_space", "true", "false");
  allow(split, "use_regex", "pre_tokenizer.use_regex", "true");
  if (const JsonValue* post = root.find("post_processor"); post && post->kind != Kind::kNull) {
    if (post->kind != Kind::kObject) refuse("post_processor", post->description(), "a ByteLevel object or null");
    allow(*post, "type", "post_processor.type", "\"ByteLevel\"");
  }
  if (model.find("type")) {  // older files, GPT-2's among them, have none
    const JsonValue& type_of_model = member(model, "type", "model.type", Kind::kString, "\"BPE\"");
    if (type_of_model.text != "BPE") refuse("model.type", in_quotes(type_of_model.text), "\"BPE\"");
  }
  for (const char* name : {"dropout", "unk_token"}) allow(model, name, concat("model.", name), "null");
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    allow(model, name, concat("model.", name), "\"\"");
  }
  for (const char* name : {"byte_fallback", "ignore_merges"}) allow(model, name, concat("model.", name), "false");
}

std::vector<std::string> TokenizerReader::read_vocab(const JsonValue& vocab,
                                                     std::unordered_map<std::string, std::uint32_t>& ids) const {
  const std::size_t size = vocab.items.size();
  if (size < BpeTokenizer::kMinVocab || size > BpeTokenizer::kMaxVocab) {
    refuse("model.vocab", concat(size, " tokens"), concat(BpeTokenizer::kMinVocab, " to ", BpeTokenizer::kMaxVocab));
  }
  std::vector<std::string> tokens(size);
  std::size_t num_bytes = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const std::string key = join_path("model.vocab", vocab.keys[i]);
    const JsonValue& id = vocab.items[i];
    if (id.kind != Kind::kUnsigned || id.integer >= size || !tokens[id.integer].empty()) {
      refuse(key, id.description(), concat("an id of its own from 0 to ", size - 1));
    }
    const std::optional<std::string> bytes = bytes_of_visible(vocab.keys[i]);
    if (!bytes || bytes->empty()) refuse(key, "no name of bytes", "characters that GPT-2 writes bytes as");
    tokens[id.integer] = *bytes;
    num_bytes += bytes->size() == 1 ? 1 : 0;
    ids.emplace(vocab.keys[i], static_cast<std::uint32_t>(id.integer));
  }
  if (num_bytes != 256) refuse("model.vocab", concat("of ", num_bytes, " single bytes"), "all 256 among the tokens");
  return tokens;
}

void TokenizerReader::check_added_tokens(const JsonValue& root, const std::vector<std::string>& tokens) const {
  const JsonValue* added = root.find("added_tokens");
  if (!added || added->kind == Kind::kNull) return;
  if (added->kind != Kind::kArray) refuse("added_tokens", added->description(), "a list");
  for (std::size_t i = 0; i < added->items.size(); ++i) {
    const std::string key = concat("added_tokens[", i, "]");
    const JsonValue& token = added->items[i];
    if (token.kind != Kind::kObject) refuse(key, token.description(), "an object");
    const JsonValue& content = member(token, "content", key.c_str(), Kind::kString, "an object with \"content\"");
    const JsonValue& id = member(token, "id", key.c_str(), Kind::kUnsigned, "an object with \"id\"");
    if (id.integer >= tokens.size() || visible_bytes(tokens[id.integer]) != content.text) {
      refuse(key, concat(in_quotes(content.text), " with id ", id.integer), "a token of model.vocab");
    }
  }
}

BpeTokenizer TokenizerReader::read(std::string_view text) const {
  const JsonLimits limits = {kMaxTokenizerBytes, 16, 1'000'000};
  const JsonText json = read_json(text, path_, ErrorCode::kCorruptFile, limits);
  if (!json.duplicate_keys.empty()) refuse(json.duplicate_keys.front(), "there twice", "each key once");
  if (json.root.kind != Kind::kObject) refuse("the document", json.root.description(), "an object");
  const JsonValue& model = member(json.root, "model", "model", Kind::kObject, "an object");
  check_pipeline(json.root, model);
  std::unordered_map<std::string, std::uint32_t> ids;
  std::vector<std::string> tokens =
      read_vocab(member(model, "vocab", "model.vocab", Kind::kObject, "an object of ids"), ids);
  check_added_tokens(json.root, tokens);

  std::vector<BpeMerge> merges;
  for (const JsonValue& item : member(model, "merges", "model.merges", Kind::kArray, "a list of pairs").items) {
    const std::string key = concat("model.merges[", merges.size(), "]");
    std::string left, right;
    if (item.kind == Kind::kString) {  // as older files have it
      const std::size_t space = item.text.find(' ');
      left = item.text.substr(0, space);
      if (space != std::string::npos) right = item.text.substr(space + 1);
    } else if (item.kind == Kind::kArray && item.items.size() == 2 && item.items[0].kind == Kind::kString &&
               item.items[1].kind == Kind::kString) {
      left = item.items[0].text;
      right = item.items[1].text;
    } else {
      refuse(key, item.description(), "two tokens, as a list or with a space between them");
    }
    const auto first = ids.find(left), second = ids.find(right), result = ids.find(left + right);
    if (first == ids.end() || second == ids.end() || result == ids.end()) {
      refuse(key, concat(in_quotes(left), " and ", in_quotes(right)), "tokens of model.vocab that make one of it");
    }
    merges.push_back({first->second, second->second, result->second});
  }
  return {std::move(tokens), std::move(merges)};
}

}  // namespace

std::string tokenizer_json(const BpeTokenizer& tokenizer) {
  std::vector<std::string> names;
  for (const std::string& token : tokenizer.tokens()) names.push_back(visible_bytes(token));
  JsonWriter vocab, merges;
  vocab.begin('{');
  for (std::size_t id = 0; id < names.size(); ++id) vocab.member(names[id], id);
  vocab.end('}');
  merges.begin('[');
  for (const BpeMerge& merge : tokenizer.merges()) {
    merges.begin('[').element(names[merge.left]).element(names[merge.right]).end(']');
  }
  merges.end(']');
  const std::string byte_level =
      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
  return R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":)" +
         byte_level + R"(,"post_processor":null,"decoder":)" + byte_level +
         R"(,"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,)" +
         R"("end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":)" +
         vocab.text() + ",\"merges\":" + merges.text() + "}}";
}

BpeTokenizer read_tokenizer_json(std::string_view text, const std::string& path) {
  return TokenizerReader(path).read(text);
}

}  // namespace minimoe
