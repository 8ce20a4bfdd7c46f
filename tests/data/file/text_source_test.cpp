// SPDX-License-Identifier: Apache-2.0
#include "data/file/refusal.hpp"
#include "data/file/temporary_directory.hpp"
#include "minimoe/data/file_source.hpp"
#include "support/catch.hpp"

using minimoe::ErrorCode;
using minimoe::open_file_source;
using minimoe::Split;
using minimoe::test::refusal_of_opening;
using minimoe::test::TemporaryDirectory;
using Tokens = std::vector<std::int32_t>;

TEST_CASE("text_source: tokens are the bytes, and decode undoes encode", "[file]") {
  const TemporaryDirectory directory;
  const auto source =
      open_file_source(directory.write("a.txt", "año 1\n\tfin \xF0\x9F\x8C\xB1"), {.val_fraction = 0.5});
  CHECK(source->vocab_size() == 256);
  CHECK(source->name() == "a.txt");
  CHECK(source->class_names().empty());
  CHECK(source->encode("añ") == Tokens{'a', 0xC3, 0xB1});
  CHECK(source->decode(Tokens{'a', 0xC3, 0xB1, '\n'}) == "añ\n");
  CHECK(source->token_text('a') == "a");
  CHECK(source->token_text('\n') == "\\n");
  CHECK(source->token_text(0xC3) == "\\xc3");
  Tokens window(16);
  std::vector<std::uint8_t> classes(16, 9);
  CHECK(source->memory_bytes() == 16);
  Tokens first(8);
  source->eval_window(Split::kTrain, 0, first, {});
  CHECK(source->decode(first) == "año 1\n\t");
  source->eval_window(Split::kVal, 0, first, std::span(classes).first(8));
  CHECK(source->decode(first) == "fin \xF0\x9F\x8C\xB1");
  CHECK(classes[0] == 0);
}

TEST_CASE("text_source: every well-formed sequence of bytes is accepted and every other refused at its byte",
          "[file]") {
  const TemporaryDirectory directory;
  const auto refusal = [&](const std::string& middle) {
    // Two lines and 15 bytes before, so that the fast path over ASCII ends right there.
    return refusal_of_opening(directory.write("u.txt", "first\nsecond   " + middle + "\nrest of it"));
  };
  for (const char* good : {"\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "\xEF\xBB\xBF"}) {
    CHECK(refusal(good).message.empty());
  }
  for (const char* bad :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xE1\x80", "\xED\xA0\x80",
        "\xF0\x8F\xBF\xBF", "\xF0\x90\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF"}) {
    const auto found = refusal(bad);
    INFO(found.message);
    CHECK(found.code == ErrorCode::kCorruptFile);
    CHECK(found.says(directory.path("u.txt:2: byte 0x"), {"at offset 15", "not UTF-8"}));
  }
  const auto cut = refusal_of_opening(directory.write("cut.txt", "a\n\xE2\x82"));
  CHECK(cut.says(directory.path("cut.txt:2: byte 0xe2"), {"offset 2"}));
}

TEST_CASE("text_source: a NUL byte is refused wherever it stands", "[file]") {
  const TemporaryDirectory directory;
  for (std::size_t at = 0; at < 20; ++at) {
    std::string text = "1\n345678901234567890";
    text[at] = '\0';
    const auto refusal = refusal_of_opening(directory.write("n.txt", text));
    INFO(refusal.message);
    CHECK(refusal.code == ErrorCode::kCorruptFile);
    CHECK(refusal.says(directory.path("n.txt:") + (at <= 1 ? "1: " : "2: "),
                       {"NUL", ("offset " + std::to_string(at) + " ").c_str()}));
  }
}
