// SPDX-License-Identifier: Apache-2.0
#include "data/file/bpe_source.hpp"

#include "data/bpe/tokenizer_json.hpp"
#include "data/file/refusal.hpp"
#include "data/file/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/counting_resource.hpp"

using minimoe::ErrorCode;
using minimoe::open_file_source;
using minimoe::Split;
using minimoe::test::CountingResource;
using minimoe::test::gzip;
using minimoe::test::refusal_of_opening;
using minimoe::test::TemporaryDirectory;
using Tokens = std::vector<std::int32_t>;

namespace {

// All tokens of a split.
std::string text_of(const minimoe::TokenSource& source, Split split) {
  std::size_t num_tokens = 1;
  while (source.num_eval_windows(split, num_tokens) > 0) ++num_tokens;
  Tokens tokens(num_tokens);
  source.eval_window(split, 0, tokens, {});
  return source.decode(tokens);
}

}  // namespace

TEST_CASE("bpe_source: trained on the front of the text, cut at a character, and used on all of it", "[file]") {
  const TemporaryDirectory directory;
  // 24 bytes for training; byte 24 is inside the ñ, which is for validation as a whole.
  const std::string front = "abab abab abab abab aba", back = "\u00F1zz zz zz zz zz zz zz zz";
  const auto path = directory.write("a.txt", front + back);
  REQUIRE((front.size() + back.size()) == 48);
  const auto source = open_file_source(path, {.val_fraction = 0.5, .tokenizer = "bpe:259"});
  CHECK(source->vocab_size() == 259);
  CHECK(source->encode("abab abab zz").size() == 6);  // ab, ab, " abab", " ", z, z: nobody trained on zz
  CHECK(source->decode(source->encode("any \xFF ñ")) == "any \xFF ñ");
  CHECK(text_of(*source, Split::kTrain) == "abab abab abab abab aba");
  CHECK(text_of(*source, Split::kVal) == back);
  CHECK(source->class_names().empty());
  std::vector<std::uint8_t> classes(2, 9);
  Tokens window(2);
  source->train_window(1, 2, window, classes);
  CHECK(classes == std::vector<std::uint8_t>(2, 0));
  CHECK(source->memory_bytes() > 2 * 30);
}

TEST_CASE("bpe_source: a vocabulary can be handed on, also to JSON Lines", "[file]") {
  const TemporaryDirectory directory;
  const auto path = directory.write("a.txt", "she sells sea shells by the sea shore she sells");
  const auto source = open_file_source(path, {.tokenizer = "bpe:270"});
  const auto file = directory.write("t.json", source->tokenizer_json());
  const auto lines = directory.write("b.jsonl", "{\"text\":\"sea shells\"}\n{\"text\":\"she\"}\n");
  const auto other = open_file_source(lines, {.val_fraction = 0.5, .tokenizer = file});
  CHECK(other->tokenizer_json() == source->tokenizer_json());
  CHECK(other->vocab_size() == source->vocab_size());
  CHECK(other->encode("sea shells") == source->encode("sea shells"));
  CHECK(open_file_source(path)->tokenizer_json().empty());
  const auto zipped = directory.write("t.json.gz", gzip(source->tokenizer_json()));
  CHECK(open_file_source(path, {.tokenizer = zipped})->vocab_size() == source->vocab_size());
}

TEST_CASE("bpe_source: the vocabulary is part of what the data is", "[file]") {
  const TemporaryDirectory directory;
  const auto path = directory.write("a.txt", "she sells sea shells by the sea shore she sells");
  const auto other = directory.write("b.txt", "by the sea shore by the shore by the sea");
  const auto vocabulary = [&](const char* name, const std::string& text) {
    return directory.write(name, open_file_source(text, {.tokenizer = "bpe:262"})->tokenizer_json());
  };
  const auto sha256 = [&](const std::string& tokenizer) {
    const auto source = open_file_source(path, {.tokenizer = tokenizer});
    CHECK(source->sha256().size() == 64);
    if (tokenizer != "auto") CHECK(source->vocab_size() == 262);
    return source->sha256();
  };
  const auto ours = vocabulary("ours.json", path), theirs = vocabulary("theirs.json", other);
  CHECK(sha256(ours) == sha256("bpe:262"));
  CHECK(sha256(ours) != sha256(theirs));
  CHECK(sha256(ours) != sha256("auto"));
  CHECK(sha256(ours) != open_file_source(directory.write("c.txt", "she sells"), {.tokenizer = ours})->sha256());
}

TEST_CASE("bpe_source: tokens are shown with escapes for what is not printed", "[file]") {
  const TemporaryDirectory directory;
  const auto source = open_file_source(directory.write("a.txt", "a\xC3\xB1 a\xC3\xB1 a\xC3\xB1\n\n\n"),
                                       {.val_fraction = 0.1, .tokenizer = "bpe:300"});
  const auto shown = [&](const std::string& bytes) {
    const Tokens tokens = source->encode(bytes);
    REQUIRE(tokens.size() == 1);
    return source->token_text(tokens[0]);
  };
  CHECK(shown(" añ") == " añ");
  CHECK(shown("\n") == "\\n");
  CHECK(shown("\t") == "\\t");
  CHECK(shown("\xC3") == "\\xc3");
  CHECK(shown("\x7F") == "\\x7f");
  CHECK_THROWS_AS(source->token_text(-1), minimoe::Error);
  CHECK_THROWS_AS(source->token_text(static_cast<std::int32_t>(source->vocab_size())), minimoe::Error);
}

TEST_CASE("bpe_source: a bad tokenizer is refused", "[file]") {
  const TemporaryDirectory directory;
  const auto path = directory.write("a.txt", "some text");
  for (const char* bad :
       {"", "bpe:", "bpe:255", "bpe:65537", "bpe:x", "bpe:300x", "bpe:-300", "bpe: 300", "bpe:99999999999999999999"}) {
    const auto refusal = refusal_of_opening("missing.txt", {.tokenizer = bad});
    INFO(refusal.message);
    CHECK(refusal.code == ErrorCode::kInvalidArgument);
    CHECK(refusal.says("file_source: tokenizer: \"" + std::string(bad) + "\"", {"bpe:256 to bpe:65536"}));
  }
  CHECK(refusal_of_opening(path, {.tokenizer = directory.path("no.json")}).code == ErrorCode::kIo);
  const std::string large(std::size_t{1} << 27, ' ');
  for (const auto& path_of_large : {directory.write("l.json", large), directory.write("l.json.gz", gzip(large))}) {
    CountingResource memory;
    const auto refusal = refusal_of_opening(path, {.tokenizer = path_of_large, .resource = &memory});
    CHECK(refusal.code == ErrorCode::kCorruptFile);
    CHECK(refusal.says(path_of_large + ": is larger than 67108864 bytes", {}));
    CHECK(memory.peak() < large.size() * 3 / 4);  // 64 MiB and the text
  }
  const auto broken = directory.write("t.json", "{}");
  CHECK(refusal_of_opening(path, {.tokenizer = broken}).says(broken + ": model is missing", {"expected"}));
  const auto ill = refusal_of_opening(directory.write("ill.txt", "a\xFF"), {.tokenizer = "bpe:300"});
  CHECK(ill.says(directory.path("ill.txt:1: byte 0xff"), {"UTF-8"}));
  const auto bin = refusal_of_opening(directory.write("a.bin", "abcd"), {.tokenizer = "bpe:300"});
  CHECK(bin.code == ErrorCode::kInvalidArgument);
  CHECK(bin.says(directory.path("a.bin: tokenizer: bpe:300"), {"expected auto"}));
}
