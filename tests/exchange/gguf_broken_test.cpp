// SPDX-License-Identifier: Apache-2.0
// GGUF files made by hand to be wrong: each must give an Error with the right code, without a large allocation.
#include "exchange/gguf_file.hpp"
#include "support/allocation_counter.hpp"
#include "support/refusal.hpp"
#include "support/temporary_directory.hpp"

namespace minimoe {
namespace {

using minimoe_test::refusal;
using minimoe_test::TemporaryDirectory;
using minimoe_test::write_file;

template <class V>
std::string raw(V value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string u32(std::uint32_t value) { return raw(value); }
std::string u64(std::uint64_t value) { return raw(value); }
std::string text(const std::string& value) { return u64(value.size()) + value; }
std::string key(const std::string& name, std::uint32_t type, const std::string& value) {
  return text(name) + u32(type) + value;
}
std::string array(std::uint32_t type, std::uint64_t count, const std::string& items) {
  return u32(type) + u64(count) + items;
}
std::string info(const std::string& name, const std::vector<std::uint64_t>& extents, std::uint32_t type,
                 std::uint64_t offset) {
  std::string bytes = text(name) + u32(static_cast<std::uint32_t>(extents.size()));
  for (const std::uint64_t extent : extents) bytes += u64(extent);
  return bytes + u32(type) + u64(offset);
}

/// A file with its parts as they are given, each of which may lie.
struct GgufParts {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::vector<std::string> keys = {key("a", 4, u32(7)), key("b", 8, text("words")),
                                   key("c", 9, array(8, 2, text("x") + text("yz"))),
                                   key("d", 9, array(9, 1, array(5, 2, u32(1) + u32(2))))};
  std::vector<std::string> tensors = {info("t", {3, 2}, 0, 0), info("h", {2}, 1, 32)};
  std::uint64_t extra_keys = 0, extra_tensors = 0;  // counted and not there
  std::string data = raw(1.5F) + std::string(28, '\0') + raw(std::uint16_t{0x3C00}) + raw(std::uint16_t{0xC100});

  std::string header() const {
    std::string bytes = magic + u32(version) + u64(tensors.size() + extra_tensors) + u64(keys.size() + extra_keys);
    for (const std::string& k : keys) bytes += k;
    for (const std::string& t : tensors) bytes += t;
    return bytes;
  }
  std::string file(std::size_t alignment = 32) const {
    std::string bytes = header();
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    return bytes + data;
  }
};

struct BrokenGguf {
  std::string content;
  std::string message;  // part of it
  ErrorCode code = ErrorCode::kCorruptFile;
};

std::vector<BrokenGguf> broken_files() {
  std::vector<BrokenGguf> files;
  const auto with = [&](const auto& change, const std::string& message, ErrorCode code = ErrorCode::kCorruptFile) {
    GgufParts parts;
    change(parts);
    files.push_back({parts.file(), message, code});
  };
  const auto with_key = [&](const std::string& bytes, const std::string& message) {
    with([&](GgufParts& p) { p.keys = {bytes}; }, message);
  };
  const auto with_tensor = [&](const std::string& bytes, const std::string& message,
                               ErrorCode code = ErrorCode::kCorruptFile) {
    with([&](GgufParts& p) { p.tensors = {bytes}; }, message, code);
  };
  constexpr std::uint64_t kHuge = ~std::uint64_t{0};
  with([](GgufParts& p) { p.magic = "GGML"; }, "does not begin with GGUF");
  with([](GgufParts& p) { p.version = 1; }, "version 1, allowed 2, 3");
  with([](GgufParts& p) { p.version = 4; }, "version 4, allowed 2, 3");
  with([](GgufParts& p) { p.version = 0x03000000; }, "big-endian");
  for (const std::uint64_t count : {std::uint64_t{1} << 20, std::uint64_t{1} << 40, kHuge - 8}) {
    with([&](GgufParts& p) { p.extra_keys = count; }, "keys, allowed at most");
    with([&](GgufParts& p) { p.extra_tensors = count; }, "tensors, allowed at most");
  }
  with([](GgufParts& p) { p.extra_keys = 1; }, "");
  with([](GgufParts& p) { p.extra_tensors = 1; }, "");
  with([](GgufParts& p) { p.keys.push_back(p.keys[0]); }, "key \"a\" at byte 156: the key stands there twice");
  with([](GgufParts& p) { p.tensors.push_back(p.tensors[0]); }, "\"t\": the name stands there twice");
  with_key(key("", 4, u32(7)), "a key without a name");
  for (const std::uint64_t length : {std::uint64_t{70000}, std::uint64_t{1} << 32, kHuge}) {
    with_key(u64(length) + "abc" + std::string(70100, 'k'), "a text of");
    with_key(text("k") + u32(8) + u64(length) + "abc", "a text of");
  }
  for (const std::uint32_t type : {13U, 255U, ~0U}) {
    with_key(key("k", type, u64(0)), "allowed 0..12");
    with_key(key("k", 9, array(type, 1, u64(0))), "allowed 0..12");
  }
  with_key(key("k", 7, "\x02"), "key \"k\" at byte 24: a bool of 2");
  for (const std::uint32_t type : {0U, 5U, 8U, 9U, 12U}) {
    for (const std::uint64_t count : {std::uint64_t{1000}, std::uint64_t{1} << 61, kHuge}) {
      with_key(key("k", 9, array(type, count, "")), "has room for");
    }
  }
  with_key(key("k", 9, array(8, 1, u64(kHuge))), "key \"k\" at byte 24: the file ends in metadata");
  std::string nested = array(0, 0, "");
  for (int depth = 0; depth < 4; ++depth) nested = array(9, 1, nested);
  with_key(key("k", 9, nested), "arrays within more than 4 arrays");
  for (const std::uint32_t value : {0U, 3U, 48U, 1U << 21, ~0U}) {
    with_key(key("general.alignment", 4, u32(value)), "general.alignment");
  }
  with_key(key("general.alignment", 10, u64(32)), "general.alignment");
  with_key(key("general.alignment", 8, text("32")), "general.alignment: \"32\" (a string)");
  GgufParts wide;
  wide.keys = {key("general.alignment", 4, u32(64))};
  files.push_back({wide.file(64), "\"h\": begins at byte 32 of the data, expected 64"});
  with_tensor(info("", {2}, 0, 0), "a tensor without a name");
  with_tensor(info(std::string(64, 'n'), {2}, 0, 0), "a text of 64 bytes, allowed at most 63");
  with_tensor(info("t", {}, 0, 0), "rank 0, allowed 1..4");
  with_tensor(info("t", {1, 1, 1, 1, 1}, 0, 0), "rank 5, allowed 1..4");
  with_tensor(text("t") + u32(1U << 30) + u64(1), "rank 1073741824");
  with_tensor(text("t") + u32(~0U) + u64(1), "rank 4294967295");
  for (const std::vector<std::uint64_t>& extents : {std::vector<std::uint64_t>{0},
                                                    {0, kHuge},
                                                    {kHuge},
                                                    {kHuge, kHuge},
                                                    {std::uint64_t{1} << 32, std::uint64_t{1} << 32},
                                                    {std::uint64_t{1} << 62, 4},
                                                    {std::uint64_t{1} << 62},
                                                    {1 << 20, 1 << 20},
                                                    {3, 0, 2},
                                                    {1, 1, 1, kHuge}}) {
    with_tensor(info("t", extents, 0, 0), "an extent of");
  }
  with_tensor(info("t", {1000}, 0, 0), "4000 bytes from byte 0 of the data on");
  for (const std::uint64_t offset : {std::uint64_t{1}, std::uint64_t{32}, std::uint64_t{1} << 40, kHuge, kHuge - 31}) {
    with_tensor(info("t", {8}, 0, offset), "of the data, expected 0");
  }
  with([](GgufParts& p) { p.tensors[1] = info("h", {2}, 1, 0); }, "\"h\": begins at byte 0 of the data, expected 32");
  with([](GgufParts& p) { p.tensors[1] = info("h", {2}, 1, 24); }, "expected 32");
  with([](GgufParts& p) { p.tensors[1] = info("h", {2}, 1, 64); }, "expected 32");
  with([](GgufParts& p) { std::swap(p.tensors[0], p.tensors[1]); }, "\"h\": begins at byte 32 of the data, expected 0");
  with([](GgufParts& p) { p.data.pop_back(); }, "4 bytes from byte 32 of the data on, the file has 35");
  with([](GgufParts& p) { p.data.clear(); }, "24 bytes from byte 0");
  with([](GgufParts& p) { p.data += std::string(29, 'x'); }, "the tensors end at byte");
  with([](GgufParts& p) { p.tensors.clear(); }, "the tensors end at byte");
  const std::pair<std::uint32_t, const char*> types[] = {
      {2, "Q4_0"},     {3, "Q4_1"},    {6, "Q5_0"},      {7, "Q5_1"},        {8, "Q8_0"},
      {10, "Q2_K"},    {11, "Q3_K"},   {12, "Q4_K"},     {13, "Q5_K"},       {14, "Q6_K"},
      {16, "IQ2_XXS"}, {20, "IQ4_NL"}, {23, "IQ4_XS"},   {26, "I32"},        {27, "I64"},
      {35, "TQ2_0"},   {39, "MXFP4"},  {4, "of type 4"}, {99, "of type 99"}, {~0U, "of type 4294967295"}};
  for (const auto& [type, name] : types) {
    with_tensor(info("w", {512}, type, 0), concat("\"w\" is ", name), ErrorCode::kUnsupported);
  }
  return files;
}

}  // namespace

TEST_CASE("gguf: a file is read as it is", "[exchange]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("good.gguf");
  for (const std::uint32_t version : {2U, 3U}) {
    GgufParts parts;
    parts.version = version;
    for (const std::size_t padding : {0, 28}) {
      write_file(path, parts.file() + std::string(padding, '\0'));
      const GgufFile file(path);
      CHECK(file.metadata().at("a").integer == 7);
      CHECK(file.metadata().at("b").text == "words");
      CHECK(file.metadata().at("c").count == 2);
      REQUIRE(file.entries().size() == 2);
      CHECK(file.entries()[0].shape == std::vector<std::size_t>{2, 3});
      float values[2];
      file.read_as(file.entries()[1], 0, 2, values);
      CHECK(values[0] == 1.0F);
      CHECK(values[1] == -2.5F);
      file.read_as(file.entries()[0], 0, 1, values);
      CHECK(values[0] == 1.5F);
    }
  }
  GgufParts aligned;
  aligned.keys = {key("general.alignment", 4, u32(64))};
  aligned.tensors = {info("t", {3, 2}, 0, 0)};
  aligned.data.resize(24);
  write_file(path, aligned.file(64));
  CHECK_NOTHROW(GgufFile(path));
  GgufParts texts;  // of any length, the long ones not kept
  texts.keys = {key("a", 8, text(std::string(3 << 20, 'x'))), key("b", 8, text(std::string(129, 'y'))),
                key("c", 8, text(std::string(128, 'z')))};
  texts.tensors[0] = info(std::string(63, 'n'), {3, 2}, 0, 0);
  write_file(path, texts.file());
  minimoe_test::reset_largest_allocation();
  const GgufFile file(path);
  CHECK(minimoe_test::largest_allocation() < 100000);
  CHECK(file.metadata().at("a").text == "(3145728 bytes)");
  CHECK(file.metadata().at("b").text == "(129 bytes)");
  CHECK(file.metadata().at("c").text == std::string(128, 'z'));
}

TEST_CASE("gguf: broken files are refused before anything large is allocated", "[exchange]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("broken.gguf");
  CHECK_THROWS_AS(GgufFile(directory.file("nowhere.gguf")), Error);
  const std::vector<BrokenGguf> files = broken_files();
  CHECK(files.size() >= 100);
  for (const BrokenGguf& broken : files) {
    write_file(path, broken.content);
    const std::string message = refusal<GgufFile>(path, broken.code);
    INFO(broken.message << "; it said: " << message);
    CHECK(!message.empty());
    CHECK(message.find(broken.message) != std::string::npos);
  }
}

TEST_CASE("gguf: a file that ends early is refused wherever it ends", "[exchange]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("cut.gguf"), whole = GgufParts().file();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size);
    write_file(path, whole.substr(0, size));
    CHECK(!refusal<GgufFile>(path, ErrorCode::kCorruptFile).empty());
  }
}

}  // namespace minimoe
