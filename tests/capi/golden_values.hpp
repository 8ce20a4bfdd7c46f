// SPDX-License-Identifier: Apache-2.0
// Inputs and results of the golden set, as tests/golden/bindings/README.md writes them.
#pragma once

#include <bit>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <minimoe.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace golden {

using Json = nlohmann::ordered_json;

inline std::int64_t hash_of(std::int64_t tag, std::int64_t i) {
  const std::int64_t m = (tag * 7919 + i * 104729 + 1) % 1000003;
  return m * m % 1000003;
}

/// Element i of `count` is that of i mod period.
inline std::vector<float> fill(std::int64_t tag, std::size_t count, std::size_t period, double scale) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t integer = hash_of(tag, static_cast<std::int64_t>(i % period)) % 1009 - 504;
    values[i] = static_cast<float>(static_cast<double>(integer) * scale);
  }
  return values;
}

template <class Token>
std::vector<Token> tokens(std::int64_t tag, std::size_t count, std::int64_t vocab_size) {
  std::vector<Token> values(count);
  for (std::size_t n = 0; n < count; ++n) {
    const auto i = static_cast<std::int64_t>(n);
    values[n] = static_cast<Token>((i * i + hash_of(tag, i) % 3) % vocab_size);
  }
  return values;
}

inline std::string hex(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(value));
  return text;
}

inline Json floats(const std::vector<float>& values) {
  Json bits = Json::array();
  for (const float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return {{"f32", bits}};
}

inline Json doubles(const std::vector<double>& values) {
  Json bits = Json::array();
  for (const double value : values) bits.push_back(hex(std::bit_cast<std::uint64_t>(value)));
  return {{"f64", bits}};
}

inline Json file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
  return {{"fnv1a64", hex(hash)}, {"size", bytes.size()}};
}

inline Json error(std::int32_t status, const std::string& message) {
  return {{"error", minimoe::capi::status_name(status)}, {"message", message}};
}

/// results[key] = call(), or its error.
template <class Call>
void put(Json& results, const std::string& key, Call&& call) {
  try {
    results[key] = call();
  } catch (const minimoe::capi::Error& e) {
    results[key] = error(e.status(), e.what());
  }
}

}  // namespace golden
