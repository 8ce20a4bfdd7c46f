// SPDX-License-Identifier: Apache-2.0
// What came of balancers side by side, as a table and as JSON.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "json_text.hpp"

namespace cli {

struct Balancer {
  std::string name;   ///< "seq-aux"
  std::string title;  ///< fit for a directory name
  Json config;
};

struct BalancedRun {
  std::filesystem::path directory;
  Json result, findings;  ///< findings: as run_findings gives them

  double val_loss() const { return findings.at("val_loss"); }
};

struct BalanceResult {
  std::vector<std::uint64_t> seeds;
  std::vector<Balancer> balancers;
  std::vector<std::vector<BalancedRun>> runs;  ///< [balancer][seed]
  Json corpus, evaluation, floors;
  std::int64_t interference_interval = 0;
};

std::string balance_text(const BalanceResult& result);
Json balance_json(const BalanceResult& result);

}  // namespace cli
