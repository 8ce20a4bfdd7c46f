// SPDX-License-Identifier: Apache-2.0
#include "minimoe/core/random.hpp"

#include <Random123/philox.h>

#include <cmath>
#include <numbers>

namespace minimoe {
namespace {

// FNV-1a, 64 bits.
std::uint64_t hash_name(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3u;
  }
  return hash;
}

r123::Philox4x32::ctr_type philox(std::uint64_t seed, std::uint64_t name_hash, std::uint64_t index) {
  const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
  const r123::Philox4x32::ctr_type counter = {{low(index), high(index), low(name_hash), high(name_hash)}};
  const r123::Philox4x32::key_type key = {{low(seed), high(seed)}};
  return r123::Philox4x32()(counter, key);
}

std::uint64_t join(std::uint32_t low, std::uint32_t high) { return (std::uint64_t{high} << 32) | low; }

constexpr double kTwoToMinus53 = 0x1.0p-53;

}  // namespace

RandomStream::RandomStream(std::uint64_t seed, std::string_view name) : seed_(seed), name_hash_(hash_name(name)) {}

std::uint64_t RandomStream::bits(std::uint64_t index) const {
  const auto r = philox(seed_, name_hash_, index);
  return join(r[0], r[1]);
}

double RandomStream::uniform(std::uint64_t index) const {
  return static_cast<double>(bits(index) >> 11) * kTwoToMinus53;
}

std::uint64_t RandomStream::below(std::uint64_t index, std::uint64_t bound) const {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(bits(index)) * bound) >> 64);
}

double RandomStream::normal(std::uint64_t index) const {
  const auto r = philox(seed_, name_hash_, index);
  // 1 - u is in (0, 1], so the logarithm is finite.
  const double u = 1.0 - static_cast<double>(join(r[0], r[1]) >> 11) * kTwoToMinus53;
  const double angle = 2.0 * std::numbers::pi * static_cast<double>(join(r[2], r[3]) >> 11) * kTwoToMinus53;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(angle);
}

}  // namespace minimoe
