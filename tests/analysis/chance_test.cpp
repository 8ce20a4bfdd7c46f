// SPDX-License-Identifier: Apache-2.0
#include "analysis/chance.hpp"

#include <cmath>

#include "support/catch.hpp"

using namespace minimoe;

namespace {

double choose(int n, int k) { return std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1)); }

// P(count >= c) of one expert out of E, tokens independent, K = 1.
double upper_tail(int tokens, int count, double share) {
  double sum = 0;
  for (int c = count; c <= tokens; ++c) sum += choose(tokens, c) * std::pow(share, c) * std::pow(1 - share, tokens - c);
  return sum;
}

}  // namespace

TEST_CASE("chance: all tokens on one of E experts has the probability that it has", "[analysis]") {
  // Exact for an extreme count: E * E^-T; and (1 - 1/E)^T, times E, for a dead expert.
  CHECK(chance_of_load({12, 0, 0, 0}, 1) == Approx(4 * std::pow(0.25, 12)));
  CHECK(chance_of_load({20, 20, 20, 0}, 1) == Approx(4 * std::pow(0.75, 60)).epsilon(1e-6));
  CHECK(chance_of_load({5, 5, 5, 5}, 1) == 1);
  CHECK(chance_of_load({7, 7}, 2) == 1);  // K = E: nothing to choose
  CHECK(chance_of_load({10, 10, 0, 0}, 2) == Approx(4 * std::pow(0.5, 10)));
}

TEST_CASE("chance: never below the binomial tail, of which it is the bound", "[analysis]") {
  for (const int tokens : {5, 20, 100}) {
    for (int most = (tokens + 1) / 2; most <= tokens; ++most) {
      INFO(tokens << " tokens, " << most << " on one of two");
      const double tail = std::min(1.0, 2 * upper_tail(tokens, most, 0.5));
      CHECK(chance_of_load({tokens - most, most}, 1) >= tail * (1 - 1e-9));
    }
  }
}

TEST_CASE("chance: of missing an expert, by the formula of the terms", "[analysis]") {
  CHECK(chance_of_missing_expert(16, 1, 300) == Approx(16 * std::pow(15.0 / 16, 300)));
  CHECK(chance_of_missing_expert(8, 2, 50) == Approx(8 * std::pow(7.0 / 8, 100)));
  CHECK(chance_of_missing_expert(64, 1, 1) == 1);
  CHECK(chance_of_missing_expert(4, 4, 1) == 0);
}

TEST_CASE("chance: the fullest expert of a small batch", "[analysis]") {
  CHECK(chance_violation(64, 1, 1) == 63);  // one token is on one expert
  CHECK(chance_violation(4, 1, 1e9) < 1e-3);
  // T KL(x, 1/4) = ln 8 for the share x = (1 + violation) / 4.
  const double x = (1 + chance_violation(4, 1, 100)) / 4;
  CHECK(100 * (x * std::log(4 * x) + (1 - x) * std::log((1 - x) / 0.75)) == Approx(std::log(8)));
  CHECK(chance_violation(4, 4, 10) == 0);
}
