// SPDX-License-Identifier: Apache-2.0
// `compare --balance`: ways to balance a router side by side, from the same start and on the same batches.
#pragma once

#include <string>

#include "evaluation.hpp"
#include "metrics_outputs.hpp"

namespace cli {

struct BalanceRequest {
  Json config;        ///< resolved; its coefficient and bias rate are those that are used
  std::string kinds;  ///< "none,aux,seq-aux,bias,bias+aux"
  std::vector<std::uint64_t> seeds;
  capi::Options options;
  std::string out;
  bool force = false, json = false, quiet = false;
  std::int64_t log_interval = 200, interference_interval = 50, window = 50;
  EvaluationSize evaluation;
  MetricsFormats metrics;
};

/// Writes balance.json and a run directory for each balancer and seed into `out`. @return an exit code. @throws
/// BadInput.
int compare_balancers(const BalanceRequest& request);

}  // namespace cli
