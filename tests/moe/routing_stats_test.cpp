// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/routing_stats.hpp"

#include "minimoe/core/error.hpp"
#include "support/catch.hpp"

using minimoe::RoutingStats;

TEST_CASE("routing_stats: a window adds the sums and keeps the last call's losses", "[moe]") {
  RoutingStats a, b;
  a.reset(2);
  b.reset(2);
  a.load = {3, 1};
  a.dropped = {1, 0};
  a.prob_sum = {2.5, 1.5};
  a.gate_weight_sum = {2, 1};
  a.num_tokens = 4;
  a.num_dropped = 1;
  a.logit_square_sum = 10;
  a.z_sum = 8;
  a.aux_loss = 1.5;
  a.z_loss = 2;
  b.load = {1, 1};
  b.prob_sum = {0.5, 1.5};
  b.num_tokens = 2;
  b.z_sum = 2;
  b.aux_loss = 0.9;
  b.z_loss = 1;
  a.add(b);
  CHECK(a.load == std::vector<std::int64_t>{4, 2});
  CHECK(a.dropped == std::vector<std::int64_t>{1, 0});
  CHECK(a.prob_sum == std::vector<double>{3, 3});
  CHECK(a.gate_weight_sum == std::vector<double>{2, 1});
  CHECK(a.num_tokens == 6);
  CHECK(a.num_dropped == 1);
  CHECK(a.logit_square_sum == 10);
  CHECK(a.z_sum == 10);
  CHECK(a.aux_loss == 0.9);
  CHECK(a.z_loss == 1);
  a.reset(2);
  CHECK(a.load == std::vector<std::int64_t>{0, 0});
  CHECK(a.z_sum == 0);
}

TEST_CASE("routing_stats: sums over different numbers of experts are refused", "[moe]") {
  RoutingStats a, b;
  a.reset(2);
  b.reset(3);
  CHECK_THROWS_WITH(a.add(b), "routing_stats.add: 3 experts, expected 2 (call reset first)");
}
