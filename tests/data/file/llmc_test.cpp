// SPDX-License-Identifier: Apache-2.0
#include "data/file/refusal.hpp"
#include "data/file/temporary_directory.hpp"
#include "support/catch.hpp"

using minimoe::ErrorCode;
using minimoe::FileFormat;
using minimoe::open_file_source;
using minimoe::Split;
using minimoe::test::gzip;
using minimoe::test::refusal_of_opening;
using minimoe::test::TemporaryDirectory;
using Tokens = std::vector<std::int32_t>;

namespace {

constexpr FileFormat kLlmc = FileFormat::kLlmc;

std::string little_endian(std::uint32_t value, std::size_t width) {
  std::string bytes;
  for (std::size_t i = 0; i < width; ++i) bytes += static_cast<char>(value >> 8 * i & 255);
  return bytes;
}

struct Kind {
  std::uint32_t mark, version;
  std::size_t width;
};
constexpr Kind kGpt2 = {20240520, 1, 2}, kLlama3 = {20240801, 7, 4};

std::string llmc_file(const Kind& kind, const std::vector<std::uint32_t>& tokens) {
  std::string bytes = little_endian(kind.mark, 4) + little_endian(kind.version, 4) +
                      little_endian(static_cast<std::uint32_t>(tokens.size()), 4);
  bytes.resize(1024);
  for (const std::uint32_t token : tokens) bytes += little_endian(token, kind.width);
  return bytes;
}

}  // namespace

TEST_CASE("llmc: both headers are known by their marks, and the ids are read in their width", "[file]") {
  const TemporaryDirectory directory;
  const auto check = [&](const std::string& path, const Tokens& front, const Tokens& back, std::size_t vocab_size) {
    const auto source = open_file_source(path, {.val_fraction = 0.5});
    CHECK(source->vocab_size() == vocab_size);
    Tokens window(front.size());
    source->eval_window(Split::kTrain, 0, window, {});
    CHECK(window == front);
    source->eval_window(Split::kVal, 0, window, {});
    CHECK(window == back);
    CHECK(source->num_eval_windows(Split::kVal, front.size() - 1) == 1);
  };
  const std::string gpt2 = llmc_file(kGpt2, {50256, 1, 256, 65535, 0, 513});
  check(directory.write("a.bin", gpt2), {50256, 1, 256}, {65535, 0, 513}, 65536);
  check(directory.write("a.bin.gz", gzip(gpt2)), {50256, 1, 256}, {65535, 0, 513}, 65536);
  const std::string llama3 = llmc_file(kLlama3, {128000, 65536, 7, 128255});
  check(directory.write("b.bin", llama3), {128000, 65536}, {7, 128255}, 128256);
  CHECK(open_file_source(directory.write("b.tokens", llama3), {.format = kLlmc})->vocab_size() == 128256);
  CHECK(open_file_source(directory.path("b.bin"), {.vocab_size = 128256})->vocab_size() == 128256);
  // The same bytes as raw ids: the mark's two halves and what follows.
  const auto raw = open_file_source(directory.path("a.bin"), {.format = FileFormat::kTokens});
  Tokens window(2);
  raw->eval_window(Split::kTrain, 0, window, {});
  CHECK(window == Tokens{55432, 308});
}

TEST_CASE("llmc: each of more than a hundred broken files is refused with its offset and what is allowed", "[file]") {
  const TemporaryDirectory directory;
  struct Broken {
    std::string bytes;
    const char* said;
  };
  std::vector<Broken> broken;
  for (const Kind& kind : {kGpt2, kLlama3}) {
    const std::string good = llmc_file(kind, {3, 1, 4, 1, 5});
    for (std::size_t offset = 0; offset < 12; ++offset) {
      for (int bit = 0; bit < 8; ++bit) {
        Broken flipped{good, offset < 4   ? "offset 0: the mark is "
                             : offset < 8 ? "offset 4: the version is "
                                          : "offset 8: "};
        flipped.bytes[offset] = static_cast<char>(flipped.bytes[offset] ^ 1 << bit);
        broken.push_back(flipped);
      }
    }
    for (std::size_t size = 1; size < 1024; size += 31)
      broken.push_back({good.substr(0, size), "expected a header of 1024"});
    broken.push_back({good.substr(0, 1023), "has 1023 bytes"});
    broken.push_back({good.substr(0, 1024), "offset 8: the number of tokens is 5, but 0 bytes"});
    for (std::size_t size = 1025; size < good.size(); ++size) broken.push_back({good.substr(0, size), "offset 8: "});
    broken.push_back({good + "x", "offset 8: "});
    broken.push_back({good + std::string(kind.width, 'x'), "offset 8: the number of tokens is 5"});
    for (const std::uint32_t count : {0u, 4u, 6u, 0x7FFFFFFFu, 0x80000000u, 0x80000005u, 0xFFFFFFFFu}) {
      broken.push_back({good, "offset 8: the number of tokens is "});
      broken.back().bytes.replace(8, 4, little_endian(count, 4));
    }
    broken.push_back({llmc_file(kind, {}), "at least 1"});
  }
  for (const std::uint32_t token : {1048576u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu}) {
    broken.push_back({llmc_file(kLlama3, {1, 2, token, 3}), "token 2 (from 0) at offset 1032 is "});
  }
  CHECK(broken.size() > 300);
  for (const Broken& file : broken) {
    const auto path = directory.write("b.bin", file.bytes);
    const auto refusal = refusal_of_opening(path, {.format = kLlmc});
    INFO(refusal.message);
    CHECK(refusal.code == ErrorCode::kCorruptFile);
    CHECK(refusal.says(path + ": ", {file.said, "expected"}));
    const bool marked =
        file.bytes.starts_with(little_endian(kGpt2.mark, 4)) || file.bytes.starts_with(little_endian(kLlama3.mark, 4));
    if (marked) CHECK(refusal_of_opening(path).message == refusal.message);  // by its mark, without being told
  }
}
