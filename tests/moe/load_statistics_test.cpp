// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/load_statistics.hpp"

#include <cmath>

#include "minimoe/core/error.hpp"
#include "support/catch.hpp"

using namespace minimoe;

TEST_CASE("load_statistics: an even load is 0 violation, 0 share, E effective experts", "[moe]") {
  const LoadStatistics s = load_statistics({5, 5, 5, 5}, 2);
  CHECK(s.max_violation == 0);
  CHECK(s.max_share == 0);
  CHECK(s.load_entropy == Approx(1));
  CHECK(s.effective_experts == Approx(4));
  CHECK(s.share_stddev == 0);
  CHECK(s.num_dead + s.num_cold + s.num_hot == 0);
}

TEST_CASE("load_statistics: total collapse has max_share 1 for any K, though a plain share cannot pass 1/K", "[moe]") {
  CHECK(load_statistics({12, 0, 0, 0}, 1).max_share == Approx(1));
  CHECK(load_statistics({6, 6, 0, 0}, 2).max_share == Approx(1));
  CHECK(load_statistics({4, 4, 4, 0}, 3).max_share == Approx(1));
  CHECK(load_statistics({4, 4, 4, 4}, 4).max_share == 0);  // K = E: nothing to choose
  CHECK(load_statistics({6, 6, 0, 0}, 2).effective_experts == Approx(2));
  CHECK(load_statistics({12, 0, 0, 0}, 1).load_entropy == Approx(0).margin(1e-15));
}

TEST_CASE("load_statistics: by hand on 10 6 3 1 0", "[moe]") {
  const LoadStatistics s = load_statistics({10, 6, 3, 1, 0}, 1);  // mean 4
  CHECK(s.utilisation == std::vector<double>{2.5, 1.5, 0.75, 0.25, 0});
  CHECK(s.max_violation == Approx(1.5));
  CHECK(s.max_share == Approx((0.5 - 0.2) / (1 - 0.2)));
  CHECK(s.num_dead == 1);
  CHECK(s.num_cold == 1);
  CHECK(s.num_hot == 2);
  // Shares .5 .3 .15 .05 0: variance (.09 + .01 + .0025 + .0225 + .04) / 5.
  CHECK(s.share_stddev == Approx(std::sqrt(0.033)));
  const double entropy = -(0.5 * std::log(0.5) + 0.3 * std::log(0.3) + 0.15 * std::log(0.15) + 0.05 * std::log(0.05));
  CHECK(s.effective_experts == Approx(std::exp(entropy)));
  CHECK(s.load_entropy == Approx(entropy / std::log(5)));
  CHECK(load_statistics({7}, 1).load_entropy == 1);
}

TEST_CASE("load_statistics: refuses what is no load, with the value", "[moe]") {
  CHECK_THROWS_WITH(load_statistics({}, 1), ContainsSubstring("empty"));
  CHECK_THROWS_WITH(load_statistics({1, -2}, 1), ContainsSubstring("load[1] is -2"));
  CHECK_THROWS_WITH(load_statistics({0, 0}, 1), ContainsSubstring("no assignment"));
  CHECK_THROWS_WITH(load_statistics({1, 2}, 3), ContainsSubstring("top_k is 3, allowed 1..2"));
  CHECK_THROWS_WITH(effective_count({1, std::nan("")}), ContainsSubstring("nan"));
}
