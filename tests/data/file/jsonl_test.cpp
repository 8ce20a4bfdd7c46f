// SPDX-License-Identifier: Apache-2.0
#include "data/file/refusal.hpp"
#include "data/file/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/counting_resource.hpp"

using minimoe::ErrorCode;
using minimoe::FileFormat;
using minimoe::open_file_source;
using minimoe::Split;
using minimoe::test::CountingResource;
using minimoe::test::gzip;
using minimoe::test::refusal_of_opening;
using minimoe::test::TemporaryDirectory;

namespace {

// All tokens of a source, half of which are for validation.
std::string whole_text(const std::string& path, FileFormat format = FileFormat::kAuto) {
  const auto source = open_file_source(path, {.format = format, .val_fraction = 0.5});
  std::string text;
  for (const Split split : {Split::kTrain, Split::kVal}) {
    for (std::uint64_t i = 0; i < source->num_eval_windows(split, 1); ++i) {
      std::vector<std::int32_t> window(2);
      source->eval_window(split, i, window, {});
      text += source->decode(window);
    }
  }
  return text;
}

std::string nested(std::size_t depth) {
  return "{\"a\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + ",\"text\":\"t\"}";
}

}  // namespace

TEST_CASE("jsonl: the text of each line and a newline, whatever else the lines hold", "[file]") {
  const TemporaryDirectory directory;
  const std::string lines =
      "{\"text\":\"ones\"}\n"
      "\n"
      " {\"id\": 7, \"meta\": {\"text\": [1, {\"text\": null}]}, \"text\" : \"two\\nlines \\u00f1 \\ud83c\\udf31 ñ\"} "
      "\r\n"
      "{\"text\":\"\",\"text2\":\"no\"}\n"
      "{\"text\":\"\\\"\\\\/\\t\"}";
  const std::string texts = "ones\ntwo\nlines ñ \xF0\x9F\x8C\xB1 ñ\n\n\"\\/\t\n";
  REQUIRE(texts.size() % 4 == 0);
  CHECK(whole_text(directory.write("a.jsonl", lines)) == texts);
  CHECK(whole_text(directory.write("a.jsonl.gz", gzip(lines))) == texts);
  CHECK(whole_text(directory.write("a.txt", lines), FileFormat::kJsonl) == texts);
  CHECK(open_file_source(directory.path("a.jsonl"))->vocab_size() == 256);
  CHECK(open_file_source(directory.path("a.jsonl"), {.format = FileFormat::kText})->token_text('{') == "{");
  CHECK(whole_text(directory.write("deep.jsonl", nested(64) + "\n" + nested(64))) == "t\nt\n");
}

TEST_CASE("jsonl: each of more than a hundred broken lines is refused with its place and what is allowed", "[file]") {
  const TemporaryDirectory directory;
  const std::string good = R"({"text":"añb","x":[1,{"y":null}],"z":-0.5e3})";
  std::vector<std::string> broken;
  for (std::size_t size = 1; size < good.size(); ++size) broken.push_back(good.substr(0, size));
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char* byte : {"\0", "\xFF", "\x01"}) {
      broken.push_back(good);
      broken.back()[at] = *byte;
    }
  }
  for (const char* line : {"[]",
                           "[\"text\"]",
                           "7",
                           "-1",
                           "0.5",
                           "true",
                           "null",
                           "\"text\"",
                           "{}",
                           "[{\"text\":\"a\"}]",
                           "text",
                           "NaN",
                           "{\"Text\":\"a\"}",
                           "{\"text\":null}",
                           "{\"text\":7}",
                           "{\"text\":-7}",
                           "{\"text\":0.5}",
                           "{\"text\":false}",
                           "{\"text\":[\"a\"]}",
                           "{\"text\":{\"text\":\"a\"}}",
                           "{\"a\":{\"text\":\"a\"}}",
                           "{\"text\":\"a\",\"text\":\"a\"}",
                           "{\"text\":\"a\",\"b\":1,\"text\":2}",
                           "{\"text\":\"\\u0000\"}",
                           "{\"text\":\"a\\u0000\"}",
                           "{\"text\":\"\\ud800\"}",
                           "{\"text\":\"\\udc00x\"}",
                           "{\"text\":\"\\ud800\\ud800\"}",
                           "{\"text\":\"\\x41\"}",
                           "{\"text\":\"\\u12g4\"}",
                           "{\"text\":\"a\tb\"}",
                           "{\"text\":\"a\"},",
                           "{\"text\":\"a\",}",
                           "{,\"text\":\"a\"}",
                           "{\"text\":\"a\"}{\"text\":\"b\"}",
                           "{\"text\":\"a\"} x",
                           "{'text':'a'}",
                           "{text:\"a\"}",
                           "{\"text\"=\"a\"}",
                           "{\"text\":\"a\" \"b\":1}",
                           "// {\"text\":\"a\"}",
                           "{\"text\":\"a\",\"b\":01}",
                           "{\"text\":\"a\",\"b\":1e999}",
                           "{\"text\":\"a\",\"b\":+1}",
                           "{\"text\":\"a\",\"b\":.5}",
                           "{\"text\":\"a\",\"b\":tru}",
                           "\xEF\xBB\xBFx"}) {
    broken.emplace_back(line);
  }
  broken.push_back(nested(65));
  broken.push_back("{\"text\":\"a\",\"b\":" + std::string(1000000, '['));
  CHECK(broken.size() > 200);
  const std::string before = "{\"text\":\"first\"}\n\n";
  for (const std::string& line : broken) {
    const auto path = directory.write("b.jsonl", before + line + "\n{\"text\":\"last\"}\n");
    CountingResource memory;
    const auto refusal = refusal_of_opening(path, {.resource = &memory});
    INFO(line.substr(0, 100) << "\n" << refusal.message);
    CHECK(refusal.code == ErrorCode::kCorruptFile);
    const std::string start = path + ":3: ";
    CHECK((refusal.says(start, {"expected"}) || refusal.says(start, {"is NUL, which text never has"})));
    CHECK(refusal.message.size() < 400);
    CHECK(memory.peak() == before.size() + line.size() + std::string("\n{\"text\":\"last\"}\n").size());  // the file
    CHECK(memory.current() == 0);
  }
  const auto large = refusal_of_opening(directory.write("l.jsonl", "{\"text\":\"a\",\"score\":1e999}"));
  CHECK(large.says(directory.path("l.jsonl:1: the number that ends at column 2"), {"out of range"}));
  CHECK(
      refusal_of_opening(directory.write("e.jsonl", " \n\r\n\t")).says(directory.path("e.jsonl:3: no line"), {"text"}));
}
