// SPDX-License-Identifier: Apache-2.0
// The rule for one span of steps.
#pragma once

#include "minimoe/analysis/health.hpp"

namespace minimoe {

struct Judgement {
  Verdict verdict = Verdict::kHealthy;
  std::string rule, reason;
};

/// By the figures of a span alone: no history.
Judgement judge_figures(const RoutingFigures& figures, const HealthOptions& options);

}  // namespace minimoe
