// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/paired_statistics.hpp"

#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "minimoe/core/error.hpp"
#include "support/catch.hpp"

using namespace minimoe;

namespace {

struct OracleLine {
  std::string kind;
  std::vector<double> numbers;
};

std::vector<OracleLine> oracle() {
  std::ifstream file(MINIMOE_TEST_DATA "/analysis/student_t.csv");
  std::vector<OracleLine> lines;
  for (std::string text; std::getline(file, text);) {
    if (text.front() == '#') continue;
    std::istringstream cells(text);
    OracleLine line;
    std::getline(cells, line.kind, ',');
    for (std::string cell; std::getline(cells, cell, ',');) line.numbers.push_back(std::stod(cell));
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

TEST_CASE("student_t_limit: equals scipy's quantiles from 1 to 1000 degrees of freedom", "[paired_statistics]") {
  std::size_t seen = 0;
  for (const OracleLine& line : oracle()) {
    if (line.kind != "t") continue;
    ++seen;
    const double confidence = line.numbers[0], expected = line.numbers[2];
    const auto dof = static_cast<std::size_t>(line.numbers[1]);
    CAPTURE(confidence, dof);
    // scipy's own last digits at 1 degree of freedom are off by some 1e-13.
    CHECK(std::abs(student_t_limit(confidence, dof) - expected) <= 1e-11 * expected);
  }
  CHECK(seen == 85);
  CHECK_THROWS_AS(student_t_limit(0.95, 0), Error);
  CHECK_THROWS_AS(student_t_limit(1, 3), Error);
  CHECK_THROWS_AS(student_t_limit(std::nan(""), 3), Error);
}

TEST_CASE("student_t_limit: one degree of freedom is the Cauchy distribution", "[paired_statistics]") {
  const double half_turn = std::acos(-1.0);
  CHECK(std::abs(student_t_limit(0.95, 1) - std::tan(half_turn * 0.475)) < 1e-12);
  CHECK(std::abs(student_t_limit(0.5, 1) - 1) < 1e-14);
}

TEST_CASE("spread_of: the 95 % interval of a mean equals scipy's", "[paired_statistics]") {
  for (const OracleLine& line : oracle()) {
    if (line.kind != "sample") continue;
    const Spread s = spread_of({line.numbers.begin() + 2, line.numbers.end()});
    REQUIRE(s.low.has_value());
    CHECK(std::abs(*s.low - line.numbers[0]) <= 1e-12 * std::abs(line.numbers[0]));
    CHECK(std::abs(*s.high - line.numbers[1]) <= 1e-12 * std::abs(line.numbers[1]));
  }
}

TEST_CASE("spread_of: three numbers done by hand, and one number has no interval", "[paired_statistics]") {
  const Spread s = spread_of({1, 2, 6});  // squares 4 + 1 + 9 = 14, over 2
  CHECK(s.mean == 3);
  CHECK(s.std == std::sqrt(7.0));
  CHECK(s.min == 1);
  CHECK(s.max == 6);
  CHECK(std::abs(*s.high - (3 + 0.95 * std::sqrt(2 / (1 - 0.95 * 0.95)) * std::sqrt(7.0 / 3))) < 1e-12);
  const Spread one = spread_of({5});
  CHECK(one.mean == 5);
  CHECK(one.std == 0);
  CHECK_FALSE(one.low.has_value());
  CHECK_FALSE(one.high.has_value());
}

TEST_CASE("paired_difference: what a seed gives to both runs cancels", "[paired_statistics]") {
  const Spread s = paired_difference({1.5, 2.5, 9.5}, {1.25, 2.25, 9.25});
  CHECK(s.mean == 0.25);
  CHECK(s.std == 0);
  CHECK(*s.low == 0.25);
  CHECK(s.values == std::vector<double>{0.25, 0.25, 0.25});
}

TEST_CASE("spread_of: what is no sample is refused", "[paired_statistics]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(spread_of({}), Catch::Contains("no values"));
  CHECK_THROWS_WITH(spread_of({1, nan}), Catch::Contains("value 1 is nan"));
  CHECK_THROWS_WITH(spread_of({1e300, -1e300}), Catch::Contains("too large"));
  CHECK_THROWS_WITH(paired_difference({1, 2}, {1}), Catch::Contains("2 values and 1"));
}
