// SPDX-License-Identifier: Apache-2.0
#include "data/file/refusal.hpp"
#include "data/file/temporary_directory.hpp"
#include "support/catch.hpp"

using minimoe::ErrorCode;
using minimoe::open_file_source;
using minimoe::Split;
using minimoe::test::refusal_of;
using minimoe::test::refusal_of_opening;
using minimoe::test::TemporaryDirectory;
using Tokens = std::vector<std::int32_t>;

namespace {

std::string little_endian(const Tokens& tokens) {
  std::string bytes;
  for (const auto token : tokens) bytes += {static_cast<char>(token & 255), static_cast<char>(token >> 8)};
  return bytes;
}

}  // namespace

TEST_CASE("token_file_source: ids are uint16 little-endian and the vocabulary is the largest plus one", "[file]") {
  const TemporaryDirectory directory;
  const auto path = directory.write("t.bin", little_endian({1, 256, 65535, 0, 50256, 513}));
  const auto source = open_file_source(path, {.val_fraction = 0.5});
  CHECK(source->vocab_size() == 65536);
  Tokens window(3);
  source->eval_window(Split::kTrain, 0, window, {});
  CHECK(window == Tokens{1, 256, 65535});
  source->eval_window(Split::kVal, 0, window, {});
  CHECK(window == Tokens{0, 50256, 513});
  CHECK(source->memory_bytes() == 12);
  CHECK(source->decode(window) == "0 50256 513");
  CHECK(source->encode(" 0 50256\n513 ") == window);
  CHECK(open_file_source(directory.write("s.bin", little_endian({3, 4, 2})))->vocab_size() == 5);
  CHECK(open_file_source(path, {.vocab_size = 65536})->vocab_size() == 65536);
}

TEST_CASE("token_file_source: an id beyond the vocabulary is refused with its place and value", "[file]") {
  const TemporaryDirectory directory;
  const auto path = directory.write("t.bin", little_endian({1, 2, 7, 3, 9}));
  CHECK(open_file_source(path, {.vocab_size = 10})->vocab_size() == 10);
  const auto refusal = refusal_of_opening(path, {.vocab_size = 7});
  CHECK(refusal.code == ErrorCode::kCorruptFile);
  CHECK(refusal.says(path + ": token 2 ", {"is 7", "below 7"}));
}

TEST_CASE("token_file_source: an odd number of bytes is refused", "[file]") {
  const TemporaryDirectory directory;
  const auto path = directory.write("odd.bin", "abcde");
  const auto refusal = refusal_of_opening(path);
  CHECK(refusal.code == ErrorCode::kCorruptFile);
  CHECK(refusal.says(path + ": has 5 bytes", {"even"}));
}

TEST_CASE("token_file_source: a prompt that is no list of known ids is refused by its word", "[file]") {
  const TemporaryDirectory directory;
  const auto source = open_file_source(directory.write("t.bin", little_endian({1, 2, 7})));
  for (const char* bad : {"8", "-1", "two", "1x", "99999999999"}) {
    const auto refusal = refusal_of([&] { source->encode(std::string("1 ") + bad); });
    INFO(refusal.message);
    CHECK(refusal.says("token_source.encode: \"" + std::string(bad) + "\"", {"0 to 7"}));
  }
  CHECK_FALSE(refusal_of([&] { source->token_text(8); }).message.empty());
}
