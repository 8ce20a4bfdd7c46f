// SPDX-License-Identifier: Apache-2.0
#include "minimoe/train/train_config.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "train/config_check.hpp"

namespace minimoe {

std::vector<std::string> TrainConfig::problems() const {
  config::FieldChecker checker("train");
  config::visit_train_fields(checker, *this);
  if (schedule == Schedule::kCosine && min_learning_rate > learning_rate) {
    config::append_problems(checker.problems,
                            {concat("train.min_learning_rate: ", config::real_text(min_learning_rate),
                                    ", allowed at most train.learning_rate (", config::real_text(learning_rate), ")")});
  }
  return std::move(checker.problems);
}

double learning_rate_at(const TrainConfig& config, std::int64_t step) {
  const std::int64_t warmup = std::max<std::int64_t>(config.warmup_steps, 1);
  if (step < warmup) return config.learning_rate * static_cast<double>(step) / static_cast<double>(warmup);
  if (config.schedule == Schedule::kConstant || step == warmup) return config.learning_rate;
  if (step >= config.steps) return config.min_learning_rate;
  const double progress = static_cast<double>(step - warmup) / static_cast<double>(config.steps - warmup);
  return config.min_learning_rate +
         0.5 * (config.learning_rate - config.min_learning_rate) * (1 + std::cos(std::numbers::pi * progress));
}

}  // namespace minimoe
