// SPDX-License-Identifier: Apache-2.0
#include "train/safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

namespace minimoe {
namespace {

using minimoe_test::read_file;
using minimoe_test::TemporaryDirectory;
using minimoe_test::write_file;

// The tensors of tests/golden/make_safetensors.py.
struct Golden {
  std::vector<float> b, a, scalar = {2.5F}, odd = {7};
  std::vector<double> z = {1.0 / 3, -2e-308, 5e-324};

  Golden() {
    for (int i = 0; i < 6; ++i) b.push_back(static_cast<float>(i) / 4 - 1);
    a = {std::numeric_limits<float>::denorm_min(), -0.0F, std::numeric_limits<float>::infinity(),
         std::numeric_limits<float>::max()};
  }
  std::vector<TensorToWrite> tensors() const {
    return {{"b.weight", TensorType::kF32, {2, 3}, b.data()},
            {"empty", TensorType::kF64, {3, 0}, nullptr},
            {"scalar", TensorType::kF32, {}, scalar.data()},
            {"a.weight", TensorType::kF32, {2, 2}, a.data()},
            {"odd \"name\"\n\xc3\xb1", TensorType::kF32, {1}, odd.data()},
            {"z.moment", TensorType::kF64, {3}, z.data()}};
  }
};

const std::string kGoldenFile = MINIMOE_TEST_DATA "/golden/reference.safetensors";

}  // namespace

TEST_CASE("safetensors: a file of the reference library reads back bit for bit", "[safetensors]") {
  const Golden golden;
  const SafetensorsFile file(kGoldenFile);
  CHECK(file.metadata() == TextMap{{"format", "pt"}});
  REQUIRE(file.entries().size() == 6);
  for (const TensorToWrite& expected : golden.tensors()) {
    INFO(expected.name);
    const SafetensorsFile::Entry* entry = file.find(expected.name);
    REQUIRE(entry);
    CHECK(entry->type == expected.type);
    CHECK(entry->shape == expected.shape);
    std::vector<char> bytes(entry->end - entry->begin);
    file.read(*entry, bytes.data());
    if (!bytes.empty()) CHECK(std::memcmp(bytes.data(), expected.data, bytes.size()) == 0);
  }
  CHECK(!file.find("weight"));
}

TEST_CASE("safetensors: the same tensors give the reference library's bytes, in whatever order they come",
          "[safetensors]") {
  const TemporaryDirectory directory;
  const Golden golden;
  const std::string reference = read_file(kGoldenFile);
  REQUIRE(reference.size() > 100);
  std::vector<TensorToWrite> tensors = golden.tensors();
  for (std::size_t rotation = 0; rotation < tensors.size(); ++rotation) {
    std::rotate(tensors.begin(), tensors.begin() + 1, tensors.end());
    write_safetensors(directory.file("ours"), tensors, {});
    CHECK(read_file(directory.file("ours")) == reference);
  }
}

TEST_CASE("safetensors: every BF16 and F16 value reads as the number that its bits mean", "[safetensors]") {
  // By the definition, in powers of two: sign, exponent and fraction bits.
  const auto meaning = [](std::uint32_t bits, int fraction_bits, int exponent_bits) {
    const int exponent = static_cast<int>(bits >> fraction_bits & ((1u << exponent_bits) - 1));
    const double fraction = std::ldexp(bits & ((1u << fraction_bits) - 1), -fraction_bits);
    const double sign = bits >> (fraction_bits + exponent_bits) ? -1 : 1;
    const int bias = (1 << (exponent_bits - 1)) - 1;
    if (exponent == 2 * bias + 1) return fraction == 0 ? sign * HUGE_VAL : std::nan("");
    return sign * (exponent ? std::ldexp(1 + fraction, exponent - bias) : std::ldexp(fraction, 1 - bias));
  };
  const TemporaryDirectory directory;
  const std::string path = directory.file("f");
  std::string all(131072, '\0');
  for (std::size_t bits = 0; bits < 65536; ++bits) {
    all[2 * bits] = static_cast<char>(bits & 255);
    all[2 * bits + 1] = static_cast<char>(bits >> 8);
  }
  const std::string header =
      R"({"b":{"dtype":"BF16","shape":[65536],"data_offsets":[0,131072]},"h":{"dtype":"F16","shape":[65536],"data_offsets":[131072,262144]}})";
  const std::uint64_t size = header.size();
  minimoe_test::write_file(path, std::string(reinterpret_cast<const char*>(&size), 8) + header + all + all);
  const SafetensorsFile file(path);
  for (const auto& [name, fraction_bits, exponent_bits] : {std::tuple{"b", 7, 8}, {"h", 10, 5}}) {
    std::vector<float> values(65536);
    file.read_as(*file.find(name), 0, values.size(), values.data());
    std::vector<double> wide(65536);
    file.read_as(*file.find(name), 0, wide.size(), wide.data());
    for (std::uint32_t bits = 0; bits < 65536; ++bits) {
      const double expected = meaning(bits, fraction_bits, exponent_bits);
      if (std::isnan(expected)) {
        REQUIRE(std::isnan(values[bits]));
      } else {
        REQUIRE(static_cast<double>(values[bits]) == expected);
        REQUIRE(wide[bits] == expected);
        REQUIRE(std::signbit(values[bits]) == std::signbit(expected));
      }
    }
    float part[3] = {};
    file.read_as(*file.find(name), 0x3C01, 2, part);
    CHECK((part[0] == values[0x3C01] && part[1] == values[0x3C02] && part[2] == 0));
    CHECK_THROWS_AS(file.read_as(*file.find(name), 65535, 2, part), Error);
  }
}

TEST_CASE("safetensors: F64 reads as float, and F32 as double", "[safetensors]") {
  const TemporaryDirectory directory;
  const std::vector<double> wide = {1.0 / 3, -2.5};
  const std::vector<float> narrow = {1.0f / 3, 7};
  write_safetensors(directory.file("f"),
                    {{"w", TensorType::kF64, {2}, wide.data()}, {"n", TensorType::kF32, {2}, narrow.data()}}, {});
  const SafetensorsFile file(directory.file("f"));
  float f[2];
  double d[2];
  file.read_as(*file.find("w"), 0, 2, f);
  file.read_as(*file.find("n"), 0, 2, d);
  CHECK((f[0] == 1.0f / 3 && f[1] == -2.5f));
  CHECK((d[0] == static_cast<double>(1.0f / 3) && d[1] == 7));
}

// Run by tests/golden/read_safetensors.py, which reads the file with the reference library.
TEST_CASE("safetensors: a sample for the reference library", "[.safetensors_sample]") {
  const char* path = std::getenv("MINIMOE_SAMPLE_FILE");
  REQUIRE(path);
  write_safetensors(path, Golden().tensors(), {{"minimoe.config", "{\"a\": \"\xc3\xb1 \\\"q\\\"\"}"}, {"b", ""}});
}

TEST_CASE("safetensors: metadata of any text survives, sorted, beside the format", "[safetensors]") {
  const TemporaryDirectory directory;
  const TextMap metadata = {{"z", "{\"x\": [1, 2]}\n\t\\"}, {"a", ""}, {"\xc3\xb1", std::string("nul \0 inside", 12)}};
  for (std::size_t padding = 0; padding < 9; ++padding) {
    TextMap padded = metadata;
    padded["p"] = std::string(padding, 'p');
    write_safetensors(directory.file("f"), {}, padded);
    const std::string bytes = read_file(directory.file("f"));
    CHECK(bytes.size() % 8 == 0);
    CHECK(bytes.find("\"a\":") < bytes.find("\"format\":\"pt\""));
    padded["format"] = "pt";
    CHECK(SafetensorsFile(directory.file("f")).metadata() == padded);
  }
}

TEST_CASE("safetensors: names that a file cannot hold are refused before anything is written", "[safetensors]") {
  const TemporaryDirectory directory;
  const float value = 1;
  const auto refuse = [&](std::vector<std::string> names) {
    std::vector<TensorToWrite> tensors;
    for (const std::string& name : names) tensors.push_back({name, TensorType::kF32, {}, &value});
    try {
      write_safetensors(directory.file("f"), tensors, {});
      FAIL("accepted " << names[0]);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kInvalidArgument);
    }
    CHECK(directory.num_entries() == 0);
  };
  refuse({"a", "b", "a"});
  refuse({""});
  refuse({"__metadata__"});
  refuse({"\xff"});
  CHECK_THROWS_AS(write_safetensors("", {}, {}), Error);
}

TEST_CASE("read_tensors: names every tensor that does not fit, and touches nothing", "[safetensors]") {
  const TemporaryDirectory directory;
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::vector<double> doubles = {1, 2};
  write_safetensors(directory.file("f"),
                    {{"good", TensorType::kF32, {6}, values.data()},
                     {"turned", TensorType::kF32, {3, 2}, values.data()},
                     {"double", TensorType::kF64, {2}, doubles.data()},
                     {"optimizer.x", TensorType::kF32, {1}, values.data()},
                     {"extra", TensorType::kF32, {1}, values.data()}},
                    {});
  const SafetensorsFile file(directory.file("f"));
  std::vector<float> good(6, -1), turned(6, -1), converted(2, -1), missing(1, -1);
  const std::vector<TensorToRead> targets = {{"good", TensorType::kF32, {6}, good.data()},
                                             {"turned", TensorType::kF32, {2, 3}, turned.data()},
                                             {"double", TensorType::kF32, {2}, converted.data()},
                                             {"missing", TensorType::kF32, {1}, missing.data()}};
  std::string message;
  try {
    read_tensors(file, targets, "optimizer.");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kShape);
    message = error.what();
  }
  CHECK(message == directory.file("f") +
                       ": turned is F32 [3, 2], expected F32 [2, 3]; double is F64 [2], expected F32 [2]; missing is "
                       "missing; \"extra\" is not a tensor of the model");
  CHECK(good == std::vector<float>(6, -1));

  CHECK_THROWS_AS(read_tensors(file, {targets[0]}, ""), Error);
  read_tensors(file,
               {targets[0],
                {"turned", TensorType::kF32, {3, 2}, turned.data()},
                {"extra", TensorType::kF32, {1}, missing.data()},
                {"double", TensorType::kF64, {2}, std::vector<double>(2).data()}},
               "optimizer.");
  CHECK(good == values);
  CHECK(turned == values);
  CHECK(missing[0] == 1);
}

TEST_CASE("read_tensors: of many wrong tensors ten are named and the rest counted", "[safetensors]") {
  const TemporaryDirectory directory;
  write_safetensors(directory.file("f"), {}, {});
  std::vector<TensorToRead> targets;
  float value = 0;
  for (int i = 0; i < 25; ++i) targets.push_back({concat("tensor", i, '_'), TensorType::kF32, {}, &value});
  const SafetensorsFile file(directory.file("f"));
  std::string message;
  try {
    read_tensors(file, targets);
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK(message.find("tensor9_ is missing; and 15 more") != std::string::npos);
  CHECK(message.find("tensor10_") == std::string::npos);
}

}  // namespace minimoe
