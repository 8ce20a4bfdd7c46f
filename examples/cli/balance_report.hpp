// SPDX-License-Identifier: Apache-2.0
// What came of balancers side by side, as a table and as JSON.
#pragma once

#include "balance_variants.hpp"
#include "lab_run.hpp"

namespace cli {

struct BalanceResult {
  std::vector<std::uint64_t> seeds;
  std::vector<Balancer> balancers;
  std::vector<std::vector<LabRun>> runs;  ///< [balancer][seed]
  Json corpus, evaluation, floors;
  std::int64_t interference_interval = 0;
};

std::string balance_text(const BalanceResult& result);
Json balance_json(const BalanceResult& result);

}  // namespace cli
