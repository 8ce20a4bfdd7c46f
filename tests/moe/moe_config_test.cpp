// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/moe_config.hpp"

#include <limits>

#include "minimoe/moe/moe_layer.hpp"
#include "support/catch.hpp"

using namespace minimoe;

namespace {

bool has_problem(const MoEConfig& config, const std::string& start) {
  for (const std::string& problem : config.problems()) {
    if (problem.rfind(start, 0) == 0) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("moe_config: the default is valid and resolves its gate order by K", "[moe]") {
  MoEConfig config;
  CHECK(config.problems().empty());
  CHECK(config.resolved_gate_order() == GateOrder::kSoftmaxTopkRenorm);
  config.top_k = 1;
  CHECK(config.problems().empty());
  CHECK(config.resolved_gate_order() == GateOrder::kSoftmaxTopk);
}

TEST_CASE("moe_config: K = 1 with a constant gate is refused by a message that names softmax_topk", "[moe]") {
  for (const GateOrder order :
       {GateOrder::kSoftmaxTopkRenorm, GateOrder::kTopkSoftmax, GateOrder::kSigmoidTopkRenorm}) {
    MoEConfig config;
    config.top_k = 1;
    config.gate_order = order;
    const std::vector<std::string> problems = config.problems();
    REQUIRE(problems.size() == 1);
    CHECK(problems[0].find("use softmax_topk,") != std::string::npos);
    CHECK(problems[0].find("moe.allow_constant_gate") != std::string::npos);
    CHECK_THROWS_AS(MoELayer<float>(config), Error);
    config.allow_constant_gate = true;
    CHECK(config.problems().empty());
    config.allow_constant_gate = false;
    config.top_k = 2;
    CHECK(config.problems().empty());
  }
}

TEST_CASE("moe_config: every bad field is named at once", "[moe]") {
  MoEConfig config;
  config.d_model = 0;
  config.num_experts = 5000;
  config.shared_expert_gate = true;
  config.top_k = 5001;
  config.d_expert = 0;
  config.routed_scale = 2;
  config.router_init_std = -1;
  config.router_bias_init = {1, 2};
  config.router_learning_rate_factor = -1;
  config.aux_loss_coef = std::numeric_limits<double>::quiet_NaN();
  config.z_loss_coef = -1;
  config.bias_update_rate = -1;
  config.capacity_factor = -1;
  config.eval_capacity_factor = std::numeric_limits<double>::infinity();
  config.init_std = -1;
  config.init_std_down = -1;
  for (const char* key :
       {"moe.d_model: 0", "moe.num_experts: 5000", "moe.shared_expert_gate: true, needs moe.num_shared_experts",
        "moe.top_k: 5001, expected 1..5000", "moe.d_expert: 0", "moe.routed_scale: 2", "moe.router_init_std: -1",
        "moe.router_bias_init: needs", "moe.router_bias_init: 2 values", "moe.router_learning_rate_factor: -1",
        "moe.aux_loss_coef: nan", "moe.z_loss_coef: -1", "moe.bias_update_rate: -1", "moe.capacity_factor: -1",
        "moe.eval_capacity_factor: inf", "moe.init_std: -1", "moe.init_std_down: -1"}) {
    INFO(key);
    CHECK(has_problem(config, key));
  }
  CHECK(config.problems().size() == 17);
  try {
    MoELayer<double> layer(config);
    FAIL("a layer was made");
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK(message.find("moe.d_model") != std::string::npos);
    CHECK(message.find("moe.init_std_down") != std::string::npos);
  }
}

TEST_CASE("moe_config: capacity rounds up, never by the noise of doubles, and never beyond the tokens", "[moe]") {
  struct Row {
    double factor;
    std::size_t num_tokens, top_k, num_experts, capacity;
  };
  for (const Row& row : {Row{0, 100, 1, 10, 100},    // dropless: nobody can get more than every token
                         Row{1, 100, 1, 10, 10},     //
                         Row{1.1, 100, 1, 10, 11},   // 1.1 * 100 / 10 is 11.000000000000002 in doubles
                         Row{1.1, 50, 2, 10, 11},    //
                         Row{1.11, 100, 1, 10, 12},  // 11.1
                         Row{1.25, 64, 2, 8, 20},    //
                         Row{1, 7, 2, 4, 4},         // 3.5
                         Row{1, 1, 1, 64, 1},        // 1/64: one slot
                         Row{1e-6, 100, 1, 10, 1},   //
                         Row{100, 100, 2, 10, 100},  // not more than every token
                         Row{2, 100, 2, 4, 100},     //
                         Row{1.3, 0, 2, 4, 0},       // no tokens, no slots
                         Row{0.7, 10, 1, 1, 7},      // 0.7 * 10 is 7 in doubles
                         Row{0.3, 10, 1, 1, 3}, Row{1e300, 100, 2, 10, 100}}) {
    INFO(row.factor << " * " << row.num_tokens << " * " << row.top_k << " / " << row.num_experts);
    CHECK(expert_capacity(row.factor, row.num_tokens, row.top_k, row.num_experts) == row.capacity);
  }
}
