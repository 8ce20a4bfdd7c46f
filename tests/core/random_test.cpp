// SPDX-License-Identifier: Apache-2.0
#include "minimoe/core/random.hpp"

#include <Random123/philox.h>

#include <cmath>

#include "support/catch.hpp"

using minimoe::RandomStream;

TEST_CASE("random: Philox gives the published known answer for zero key and counter", "[random]") {
  // Known-answer vector of the Random123 distribution (kat_vectors): philox4x32-10, all zero.
  const auto r = r123::Philox4x32()({{0, 0, 0, 0}}, {{0, 0}});
  CHECK(r[0] == 0x6627e8d5u);
  CHECK(r[1] == 0xe169c58du);
  CHECK(r[2] == 0xbc57ac4cu);
  CHECK(r[3] == 0x9b00dbd8u);
}

TEST_CASE("random: a draw depends on seed, name and index and on nothing drawn before", "[random]") {
  const RandomStream a(7, "weights"), again(7, "weights"), other_seed(8, "weights"), other_name(7, "weightt");
  const std::uint64_t late = a.bits(1'000'000);
  (void)a.bits(3);
  CHECK(a.bits(1'000'000) == late);
  CHECK(again.bits(1'000'000) == late);
  CHECK(other_seed.bits(1'000'000) != late);
  CHECK(other_name.bits(1'000'000) != late);
  CHECK(a.bits(std::uint64_t{1} << 40) != a.bits(0));
}

TEST_CASE("random: uniform, below and normal have the moments of their distributions", "[random]") {
  const RandomStream stream(36000, "moments");
  constexpr int kDraws = 200000;
  double sum = 0, sum_normal = 0, sum_normal2 = 0, sum_normal4 = 0;
  int buckets[5] = {};
  for (int i = 0; i < kDraws; ++i) {
    const double u = stream.uniform(i);
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    sum += u;
    const double z = stream.normal(i);
    sum_normal += z;
    sum_normal2 += z * z;
    sum_normal4 += z * z * z * z;
    ++buckets[stream.below(i, 5)];
  }
  // Five standard errors each.
  CHECK(std::abs(sum / kDraws - 0.5) < 5 * std::sqrt(1.0 / 12 / kDraws));
  CHECK(std::abs(sum_normal / kDraws) < 5 / std::sqrt(kDraws));
  CHECK(std::abs(sum_normal2 / kDraws - 1) < 5 * std::sqrt(2.0 / kDraws));
  CHECK(std::abs(sum_normal4 / kDraws - 3) < 5 * std::sqrt(96.0 / kDraws));
  for (const int count : buckets) CHECK(std::abs(count - kDraws / 5.0) < 5 * std::sqrt(kDraws * 0.16));
}
