// SPDX-License-Identifier: Apache-2.0
#include "minimoe/train/train_config.hpp"

#include <cmath>

#include "support/catch.hpp"

namespace minimoe {

TEST_CASE("learning_rate_at: rises linearly, then follows half a cosine down to its minimum", "[train_config]") {
  TrainConfig config;
  config.learning_rate = 1;
  config.min_learning_rate = 0.2;
  config.warmup_steps = 4;
  config.steps = 12;
  CHECK(learning_rate_at(config, 1) == 0.25);
  CHECK(learning_rate_at(config, 3) == 0.75);
  CHECK(learning_rate_at(config, 4) == 1);
  CHECK(learning_rate_at(config, 6) == Approx(0.2 + 0.4 * (1 + std::sqrt(0.5))).epsilon(1e-14));
  CHECK(learning_rate_at(config, 8) == Approx(0.6).epsilon(1e-14));
  CHECK(learning_rate_at(config, 12) == 0.2);
  CHECK(learning_rate_at(config, 13) == 0.2);
  for (std::int64_t step = 4; step < 12; ++step) {
    CHECK(learning_rate_at(config, step + 1) < learning_rate_at(config, step));
  }
}

TEST_CASE("learning_rate_at: without warm-up the first step has the full rate", "[train_config]") {
  TrainConfig config;
  config.learning_rate = 0.5;
  config.min_learning_rate = 0.1;
  config.steps = 3;
  for (const std::int64_t warmup : {0, 1}) {
    config.warmup_steps = warmup;
    CHECK(learning_rate_at(config, 1) == 0.5);
    CHECK(learning_rate_at(config, 2) == Approx(0.3).epsilon(1e-14));
    CHECK(learning_rate_at(config, 3) == 0.1);
  }
}

TEST_CASE("learning_rate_at: a constant schedule stays, and a warm-up longer than the run never ends",
          "[train_config]") {
  TrainConfig config;
  config.learning_rate = 0.5;
  config.warmup_steps = 10;
  config.steps = 5;
  CHECK(learning_rate_at(config, 5) == 0.25);
  config.schedule = Schedule::kConstant;
  CHECK(learning_rate_at(config, 5) == 0.25);
  config.steps = 1000;
  for (const std::int64_t step : {10, 11, 500, 1000, 2000}) CHECK(learning_rate_at(config, step) == 0.5);
}

TEST_CASE("train_config: each field out of its range is a problem under its key", "[train_config]") {
  CHECK(TrainConfig{}.problems().empty());
  TrainConfig config;
  config.steps = -1;
  config.batch_size = 0;
  config.accumulation_steps = std::size_t{1} << 40;
  config.learning_rate = INFINITY;
  config.warmup_steps = -3;
  config.schedule = static_cast<Schedule>(7);
  config.beta2 = 1;
  config.adam_eps = 0;
  config.clip_norm = NAN;
  const std::vector<std::string> problems = config.problems();
  const char* expected[] = {
      "train.steps: -1, ",          "train.batch_size: 0, ",    "train.accumulation_steps: 1099511627776, ",
      "train.learning_rate: inf, ", "train.warmup_steps: -3, ", "train.schedule: 7, ",
      "train.beta2: 1, ",           "train.adam_eps: 0, ",      "train.clip_norm: nan, "};
  REQUIRE(problems.size() == std::size(expected));
  for (std::size_t i = 0; i < problems.size(); ++i) {
    INFO(problems[i]);
    CHECK(problems[i].rfind(expected[i], 0) == 0);
  }
}

}  // namespace minimoe
