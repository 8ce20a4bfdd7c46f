// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/router_breaks.hpp"

#include <set>

#include "support/catch.hpp"
#include "train/config_difference.hpp"

using namespace minimoe;

namespace {

std::vector<std::string> keys_of(const std::vector<KeyDifference>& differences) {
  std::vector<std::string> keys;
  for (const KeyDifference& d : differences) keys.push_back(d.key);
  return keys;
}

}  // namespace

TEST_CASE("router breaks: each is one setting away from its healthy twin, and every run of it is possible") {
  std::set<std::string> names;
  for (const RouterBreak& b : router_breaks()) {
    INFO(b.name);
    CHECK(names.insert(b.name).second);
    CHECK(keys_of(compare_configs(b.healthy, b.broken)).size() == 1);
    for (const RunConfig& run : {b.healthy, b.broken, b.fixed}) {
      CHECK(run.problems().empty());
      CHECK(run.train.steps == 500);
      CHECK(run.model.moe_layers == std::vector<std::size_t>{1});
    }
    CHECK_FALSE(b.claims.empty());
    for (const std::string& text : {b.topic, b.claim, b.hidden_cause, b.hints[0], b.hints[1], b.hints[2]}) {
      CHECK(text.size() > 10);
      CHECK(text.find('\n') == std::string::npos);
    }
  }
  CHECK(names == std::set<std::string>{"aux-off", "headstart", "many-experts", "sham", "gate-zero-init", "renorm-top1",
                                       "capacity-tight", "lr-spike"});
}

TEST_CASE("router breaks: a fix goes on from the broken weights, so it leaves every shape as it is") {
  for (const RouterBreak& b : router_breaks()) {
    INFO(b.name);
    const std::vector<std::string> keys = keys_of(compare_configs(b.broken, b.fixed));
    CHECK_FALSE(keys.empty());
    for (const std::string& key : keys) {
      // What only start values depend on would change nothing.
      CHECK(key != "model.moe.router_init_std");
      CHECK(key != "model.moe.router_bias_init");
      CHECK(key != "model.moe.num_experts");
      CHECK(key != "model.moe.router_bias");
    }
  }
}

TEST_CASE("router breaks: aux-off is the lab's own setting with the coefficient at 0") {
  const RouterBreak b = router_breaks().front();
  REQUIRE(b.name == "aux-off");
  RunConfig lab = lab_preset();
  lab.train.steps = 500;
  CHECK(compare_configs(lab, b.healthy).empty());
  CHECK(b.broken.model.moe.aux_loss_coef == 0);
  CHECK(b.broken.model.moe.num_experts == 4);
  CHECK(b.broken.model.moe.top_k == 2);
  CHECK(b.broken.model.moe.router_init_std == 0.02);
}
