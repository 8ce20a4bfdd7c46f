// SPDX-License-Identifier: Apache-2.0
// Files made by hand to be wrong: each must give an Error with the right code, without a large allocation.
#include <sys/stat.h>

#include <cstring>

#include "support/catch.hpp"
#include "support/refusal.hpp"
#include "support/temporary_directory.hpp"
#include "train/safetensors.hpp"

namespace minimoe {
namespace {

using minimoe_test::refusal;
using minimoe_test::TemporaryDirectory;
using minimoe_test::write_file;

std::string length_bytes(std::uint64_t length) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes;
}

std::string file_of(const std::string& header, std::size_t buffer_size) {
  return length_bytes(header.size()) + header + std::string(buffer_size, '\x01');
}

/// A header of one tensor "t".
std::string one(const std::string& type, const std::string& shape, const std::string& offsets) {
  return R"({"t":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

/// A header of tensors of one row of floats each, at the given offsets.
std::string rows(const std::vector<std::pair<int, int>>& ranges) {
  std::string header = "{";
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const auto [begin, end] = ranges[i];
    header += concat(i ? "," : "", "\"t", i, R"(":{"dtype":"F32","shape":[)", (end - begin) / 4,
                     R"(],"data_offsets":[)", begin, ',', end, "]}");
  }
  return header + "}";
}

/// [1,1,1], of `count` ones.
std::string ones(std::size_t count) {
  std::string list = "[1";
  for (std::size_t i = 1; i < count; ++i) list += ",1";
  return list + "]";
}

struct Broken {
  std::string content;
  std::string message;  // part of it
  ErrorCode code = ErrorCode::kCorruptFile;
};

}  // namespace

TEST_CASE("safetensors: the forms next to the broken ones are accepted", "[safetensors]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("f");
  const std::string good[] = {
      file_of("{}", 0),
      file_of("{}      ", 0),
      file_of(R"({"__metadata__":{}})", 0),
      file_of(one("F32", "[]", "[0,4]"), 4),
      file_of(one("F64", "[2,1]", "[0,16]"), 16),
      file_of(one("F32", "[0]", "[0,0]"), 0),
      file_of(one("BF16", "[2]", "[0,4]"), 4),
      file_of(one("F16", "[3]", "[0,6]"), 6),
      file_of(one("F32", ones(64), "[0,4]"), 4),
      file_of(one("F32", "[0,9223372036854775807]", "[0,0]"), 0),
      file_of(rows({{4, 8}, {0, 4}, {8, 8}, {4, 4}, {8, 16}}), 16),
      file_of("{\n \"t\" : {\"shape\":[1], \"data_offsets\":[0,4],\"dtype\":\"F32\"} }", 4),
  };
  for (const std::string& content : good) {
    write_file(path, content);
    INFO(content.substr(8));
    CHECK_NOTHROW(SafetensorsFile(path));
  }
}

TEST_CASE("safetensors: each broken file is refused with its tensor, what came and what is allowed", "[safetensors]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("f");
  const std::string max = "18446744073709551615";
  const Broken cases[] = {
      {"", "0 bytes"},
      {"1234567", "7 bytes"},
      {length_bytes(0), "does not begin with '{'"},
      {length_bytes(1) + "{", "header: line 1"},
      {length_bytes(100) + "{}", "header length is 100, allowed at most 2 (the rest of the file)"},
      {length_bytes(100'000'001) + "{}", "header length is 100000001"},
      {length_bytes(~std::uint64_t{0}) + "{}", "header length is " + max},
      {length_bytes(~std::uint64_t{0} - 7) + "{}", "header length is"},
      {length_bytes(std::uint64_t{1} << 63) + "{}", "header length is 9223372036854775808"},
      {file_of(" {}", 0), "does not begin with '{'"},
      {file_of("[]", 0), "does not begin with '{'"},
      {file_of("\xef\xbb\xbf{}", 0), "does not begin with '{'"},
      {file_of("{} x", 0), "header: line 1"},
      {file_of("{}{}", 0), "header: line 1"},
      {file_of(std::string("{}\0\0", 4), 0), "NUL"},
      {file_of("{\"t\": {\"dtype\": \"F32\"", 0), "header: line 1"},
      {file_of("{\"\xff\": {}}", 0), "header: line 1"},
      {file_of("{\"t\":" + std::string(50, '[') + std::string(50, ']') + "}", 0), "deeper than 8"},
      {file_of("{\"t\":" + std::string(100000, '['), 0), "deeper than 8"},
      {file_of("{\"t\":3}", 0), "tensor \"t\": 3, allowed an object"},
      {file_of("{\"t\":null}", 0), "tensor \"t\": null"},
      {file_of("{\"t\":{}}", 0), "dtype is missing"},
      {file_of("{\"__metadata__\":[]}", 0), "__metadata__: a list, allowed an object"},
      {file_of("{\"__metadata__\":{\"a\":1}}", 0), "__metadata__.a: 1, allowed a string"},
      {file_of("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0), "__metadata__.a: the key stands there twice"},
      {file_of("{\"__metadata__\":{},\"__metadata__\":{}}", 0), "__metadata__: the key stands there twice"},
      {file_of(
           R"({"t":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"t":{"dtype":"F32","shape":[],"data_offsets":[4,8]}})",
           8),
       "t: the key stands there twice"},
      {file_of(R"({"t":{"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4), "t.dtype: the key"},
      {file_of(R"({"t":{"dtype":"F32","shape":[],"data_offsets":[0,4],"stride":[1]}})", 4), "unknown key \"stride\""},
      {file_of(one("F33", "[1]", "[0,4]"), 4), "dtype \"F33\", allowed F64, F32, BF16, F16"},
      {file_of(one("f32", "[1]", "[0,4]"), 4), "dtype \"f32\""},
      {file_of(one("bf16", "[2]", "[0,4]"), 4), "dtype \"bf16\""},
      {file_of(one("", "[2]", "[0,4]"), 4), "dtype \"\""},
      {file_of(one("F32\\u0000", "[1]", "[0,4]"), 4), "dtype \"F32\\u0000\""},
      {file_of(one("BF16", "[2]", "[0,8]"), 8), "hold 8 bytes, BF16 [2] has 4"},
      {file_of(one("F16", "[3]", "[0,4]"), 4), "hold 4 bytes, F16 [3] has 6"},
      {file_of(one("BF16", "[1]", "[0,1]"), 1), "hold 1 bytes, BF16 [1] has 2"},
      {file_of(one("BF16", "[9223372036854775808]", "[0,0]"), 0), "more than 2^64 bytes"},
      {file_of(one("F16", "[9223372036854775809]", "[0,2]"), 2), "more than 2^64 bytes"},
      {file_of(one("F16", "[3,6148914691236517206]", "[0,4]"), 4), "more than 2^64 bytes"},
      {file_of(one("BOOL", "[4]", "[0,4]"), 4), "\"t\" is BOOL", ErrorCode::kUnsupported},
      {file_of(one("U8", "[4]", "[0,4]"), 4), "\"t\" is U8", ErrorCode::kUnsupported},
      {file_of(one("F8_E4M3", "[4]", "[0,4]"), 4), "\"t\" is F8_E4M3", ErrorCode::kUnsupported},
      {file_of(one("C64", "[1]", "[0,8]"), 8), "\"t\" is C64", ErrorCode::kUnsupported},
      {file_of(R"({"t":{"dtype":null,"shape":[],"data_offsets":[0,4]}})", 4), "dtype is missing or not a string"},
      {file_of(R"({"t":{"dtype":["F32"],"shape":[],"data_offsets":[0,4]}})", 4), "dtype is missing or not a string"},
      {file_of(R"({"t":[]})", 0), "tensor \"t\": a list, allowed an object"},
      {file_of(R"({"t":"F32"})", 0), "tensor \"t\": \"F32\" (a string), allowed an object"},
      {file_of(R"({"t":true})", 0), "tensor \"t\": true, allowed an object"},
      {file_of(R"({"":{}})", 0), "tensor \"\": dtype is missing"},
      {file_of(R"({"__metadata__":null})", 0), "__metadata__: null, allowed an object"},
      {file_of(R"({"__metadata__":"pt"})", 0), "__metadata__: \"pt\" (a string), allowed an object"},
      {file_of(R"({"__metadata__":{"a":null}})", 0), "__metadata__.a: null, allowed a string"},
      {file_of(R"({"__metadata__":{"a":{"b":"c"}}})", 0), "__metadata__.a: an object, allowed a string"},
      {file_of(R"({"t":{"DTYPE":"F32","shape":[],"data_offsets":[0,4]}})", 4), "dtype is missing"},
      {file_of(R"({"t":{"dtype":"F32","shape":[],"data_offsets":[0,4],"":0}})", 4), "unknown key \"\""},
      {file_of(R"({"t":{"dtype":"F32","shape":null,"data_offsets":[0,4]}})", 4), "shape is missing or not a list"},
      {file_of(R"({"t":{"dtype":"F32","shape":{},"data_offsets":[0,4]}})", 4), "shape is missing or not a list"},
      {file_of(one("F32", "[1]", "null"), 4), "not a list of two"},
      {file_of(one("F32", "[1]", "[]"), 4), "not a list of two"},
      {file_of(one("F32", "[1]", "[0,\"4\"]"), 4), "not a list of two integers"},
      {file_of(one("F32", "[1]", "[0,1e0]"), 4), "not a list of two integers"},
      {file_of(one("F32", "[1]", "[0,18446744073709551620]"), 4), "not a list of two integers"},
      {file_of(one("F32", "[1e400]", "[0,4]"), 4), "header: line 1"},
      {file_of(one("F32", "[1,]", "[0,4]"), 4), "header: line 1"},
      {file_of(one("F32", "[01]", "[0,4]"), 4), "header: line 1"},
      {file_of(one("F32", "[+1]", "[0,4]"), 4), "header: line 1"},
      {file_of(one("F32", "[NaN]", "[0,4]"), 4), "header: line 1"},
      {file_of(one("F32", "[null]", "[0,4]"), 4), "shape has null"},
      {file_of(one("F32", "[true]", "[0,4]"), 4), "shape has true"},
      {file_of(one("F32", "[[1]]", "[0,4]"), 4), "shape has a list"},
      {file_of(one("F32", ones(65), "[0,4]"), 4), "an array of more than 64 values"},
      {file_of(one("F32", ones(100'000), "[0,4]"), 4), "an array of more than 64 values"},
      {file_of(one("F32", "[1]", ones(65)), 4), "an array of more than 64 values"},
      {file_of(R"({"t":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 3), "allowed 0 <= begin <= end <= 3"},
      {file_of(R"({'t':{}})", 0), "header: line 1"},
      {file_of(R"({"t":{},})", 0), "header: line 1"},
      {file_of("{/**/}", 0), "header: line 1"},
      {file_of(R"({"\ud800":{}})", 0), "header: line 1"},
      {file_of(rows({{4, 8}}), 8), "begins at byte 4 of the buffer, expected 0 (a hole)"},
      {file_of(rows({{0, 4}, {4, 8}, {4, 8}}), 8), "(an overlap)"},
      {file_of(rows({{0, 12}, {4, 8}}), 12), "(an overlap)"},
      {file_of(one("I64", "[1]", "[0,8]"), 8), "\"t\" is I64", ErrorCode::kUnsupported},
      {file_of(R"({"t":{"dtype":4,"shape":[],"data_offsets":[0,4]}})", 4), "dtype is missing or not a string"},
      {file_of(R"({"t":{"dtype":"F32","data_offsets":[0,4]}})", 4), "shape is missing"},
      {file_of(R"({"t":{"dtype":"F32","shape":[1]}})", 4), "data_offsets is missing"},
      {file_of(one("F32", "1", "[0,4]"), 4), "shape is missing or not a list"},
      {file_of(one("F32", "[-1]", "[0,4]"), 4), "shape has -1"},
      {file_of(one("F32", "[1.0]", "[0,4]"), 4), "shape has 1.0"},
      {file_of(one("F32", "[\"1\"]", "[0,4]"), 4), "shape has \"1\""},
      {file_of(one("F32", "[18446744073709551616]", "[0,4]"), 4), "shape has 18446744073709551616"},
      {file_of(one("F32", "[4611686018427387904]", "[0,0]"), 0), "more than 2^64 bytes"},
      {file_of(one("F32", "[4611686018427387905]", "[0,4]"), 4), "more than 2^64 bytes"},
      {file_of(one("F64", "[4294967296,4294967296]", "[0,0]"), 0), "more than 2^64 bytes"},
      {file_of(one("F32", "[4294967296,4294967296,0]", "[0,0]"), 0), "more than 2^64 bytes"},
      {file_of(one("F32", "[" + max + "]", "[0,4]"), 4), "more than 2^64 bytes"},
      {file_of(one("F32", "[2]", "[0,4]"), 4), "hold 4 bytes, F32 [2] has 8"},
      {file_of(one("F32", "[]", "[0,0]"), 0), "hold 0 bytes, F32 [] has 4"},
      {file_of(one("F32", "[0]", "[0,4]"), 4), "hold 4 bytes, F32 [0] has 0"},
      {file_of(one("F64", "[1]", "[0,4]"), 4), "hold 4 bytes, F64 [1] has 8"},
      {file_of(one("F32", "[1]", "[0,3]"), 4), "hold 3 bytes"},
      {file_of(one("F32", "[1]", "[0]"), 4), "not a list of two"},
      {file_of(one("F32", "[1]", "[0,4,8]"), 8), "not a list of two"},
      {file_of(one("F32", "[1]", "[-4,0]"), 4), "not a list of two integers"},
      {file_of(one("F32", "[1]", "[0.0,4.0]"), 4), "not a list of two integers"},
      {file_of(one("F32", "[1]", "{}"), 4), "not a list of two"},
      {file_of(one("F32", "[1]", "[4,0]"), 4), "data_offsets [4, 0], allowed 0 <= begin <= end <= 4"},
      {file_of(one("F32", "[1]", "[4,8]"), 4), "data_offsets [4, 8], allowed"},
      {file_of(one("F32", "[1]", "[0,4]"), 0), "data_offsets [0, 4], allowed 0 <= begin <= end <= 0"},
      {file_of(one("F32", "[1]", "[18446744073709551612,0]"), 4), "data_offsets [18446744073709551612, 0]"},
      {file_of(one("F32", "[1]", "[18446744073709551612," + max + "]"), 4), "data_offsets [18446744073709551612"},
      {file_of(one("F32", "[1]", "[4,8]"), 8), "tensor \"t\": begins at byte 4 of the buffer, expected 0 (a hole)"},
      {file_of(rows({{0, 4}, {8, 12}}), 12), "tensor \"t1\": begins at byte 8 of the buffer, expected 4 (a hole)"},
      {file_of(rows({{0, 8}, {4, 12}}), 12), "tensor \"t1\": begins at byte 4 of the buffer, expected 8 (an overlap)"},
      {file_of(rows({{0, 8}, {0, 8}}), 8), "(an overlap)"},
      {file_of(rows({{0, 8}, {4, 4}}), 8), "(an overlap)"},
      {file_of(rows({{0, 4}}), 5), "the tensors end at byte 4 of the buffer, the file at 5"},
      {file_of("{}", 8), "the tensors end at byte 0 of the buffer, the file at 8"},
  };
  CHECK(std::size(cases) >= 100);
  for (const Broken& broken : cases) {
    write_file(path, broken.content);
    const std::string message = refusal<SafetensorsFile>(path, broken.code);
    INFO(broken.content.substr(0, 200) << "\n  -> " << message);
    CHECK(message.find(broken.message) != std::string::npos);
  }
}

TEST_CASE("safetensors: a file cut at any byte is refused", "[safetensors]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("f");
  const std::string whole = minimoe_test::read_file(MINIMOE_TEST_DATA "/golden/reference.safetensors");
  REQUIRE(whole.size() > 100);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_file(path, whole.substr(0, size));
    INFO(size);
    CHECK(!refusal<SafetensorsFile>(path, ErrorCode::kCorruptFile).empty());
  }
}

TEST_CASE("safetensors: a header with one byte changed is refused, or still covers the buffer once", "[safetensors]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("f");
  const std::string whole = minimoe_test::read_file(MINIMOE_TEST_DATA "/golden/reference.safetensors");
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, whole.data(), 8);
  std::size_t num_refused = 0;
  for (std::size_t at = 0; at < 8 + header_size; ++at) {
    for (const char byte : {'\0', '0', '9', '"', ']', ' ', '\xff'}) {
      if (whole[at] == byte) continue;
      std::string changed = whole;
      changed[at] = byte;
      write_file(path, changed);
      try {
        const SafetensorsFile file(path);
        std::uint64_t covered = 0;
        for (const SafetensorsFile::Entry& entry : file.entries()) {
          REQUIRE(entry.end <= whole.size());
          covered += entry.end - entry.begin;
        }
        REQUIRE(covered == whole.size() - 8 - header_size);
      } catch (const Error& error) {
        const bool expected = error.code() == ErrorCode::kCorruptFile || error.code() == ErrorCode::kUnsupported;
        REQUIRE(expected);
        ++num_refused;
      }
    }
  }
  CHECK(num_refused > 1000);
}

TEST_CASE("safetensors: what is no file at all is an error of the operating system", "[safetensors]") {
  const TemporaryDirectory directory;
  CHECK(refusal<SafetensorsFile>(directory.file("missing"), ErrorCode::kIo).find("cannot open: No such file") !=
        std::string::npos);
  const std::string pipe = directory.file("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(refusal<SafetensorsFile>(pipe, ErrorCode::kIo).find("not a regular file") != std::string::npos);
  CHECK(refusal<SafetensorsFile>(directory.file(""), ErrorCode::kIo).find("not a regular file") != std::string::npos);
  CHECK_THROWS_AS(SafetensorsFile(""), Error);
}

}  // namespace minimoe
