// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/comparison_variants.hpp"
#include "minimoe/analysis/router_balancers.hpp"
#include "support/catch.hpp"
#include "train/config_difference.hpp"

using namespace minimoe;

namespace {

RunConfig lab_run() {
  RunConfig run = lab_preset();
  run.model.vocab_size = 100;
  return run;
}

std::size_t parameters(const RunConfig& run) { return model_cost(run.model, run.train.seq_len).total_parameters; }

std::vector<std::string> changed_keys(const RunConfig& from, const RunConfig& to) {
  std::vector<std::string> keys;
  for (const KeyDifference& d : compare_configs(from, to)) keys.push_back(d.key);
  return keys;
}

std::string refusal(const RunConfig& run, const std::string& kinds) {
  try {
    router_balancers(run, kinds, "here");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("comparison variants: dense models of the same width, of the active and of all parameters", "[analysis]") {
  const RunConfig run = lab_run();
  const std::vector<ComparisonVariant> variants = comparison_variants(run);
  REQUIRE(variants.size() == 4);
  CHECK((variants[0].key == "dense_baseline" && variants[0].title == "dense"));
  CHECK((variants[1].key == "moe_variant" && variants[1].title == "moe"));
  CHECK((variants[2].key == "dense_active_matched" && variants[2].title == "dense-active"));
  CHECK((variants[3].key == "dense_total_matched" && variants[3].title == "dense-total"));
  CHECK(changed_keys(run, variants[0].config) == std::vector<std::string>{"model.moe.layers"});
  CHECK(changed_keys(run, variants[1].config).empty());
  CHECK(changed_keys(run, variants[3].config) == std::vector<std::string>{"model.d_ff", "model.moe.layers"});

  // A dense block of width F has 2 D F + F + D parameters; an MoE block 4 of them, 2 of which a token uses, and 4 D of
  // a router. With D = 64 and F = 256, two blocks of width W have 2 (129 W + 64): the active ones of the MoE model,
  // 3 (33024 + 64) + 256, are nearest at W = 385; all of them, 5 (33024 + 64) + 256, at W = 642.
  CHECK(variants[2].config.model.d_ff == 385);
  CHECK(variants[3].config.model.d_ff == 642);
  const ModelCost cost = model_cost(run.model, run.train.seq_len);
  for (const auto& [variant, target] :
       {std::pair(variants[2], cost.active_parameters), std::pair(variants[3], cost.total_parameters)}) {
    const auto distance = [target = target](RunConfig dense, int by) {
      dense.model.d_ff += static_cast<std::size_t>(by);
      const std::size_t count = parameters(dense);
      return count > target ? count - target : target - count;
    };
    CHECK(distance(variant.config, 0) < distance(variant.config, -1));
    CHECK(distance(variant.config, 0) < distance(variant.config, 1));
  }
}

TEST_CASE("comparison variants: a model without MoE layers has none", "[analysis]") {
  RunConfig dense = lab_run();
  dense.model.moe_layers.clear();
  CHECK_THROWS_WITH(comparison_variants(dense, "here"), Catch::Contains("here: model.moe.layers is empty"));
}

TEST_CASE("router balancers: each has its own losses and bias, and all else is the same", "[analysis]") {
  RunConfig run = lab_run();
  run.model.moe.aux_loss_coef = 0.02;
  run.model.moe.aux_loss_scope = AuxLossScope::kGlobalBatch;
  const std::vector<RouterBalancer> b = router_balancers(run, "none,aux,seq-aux,bias,bias+aux");
  REQUIRE(b.size() == 5);
  std::vector<std::string> names, titles;
  for (const RouterBalancer& balancer : b) {
    names.push_back(balancer.name);
    titles.push_back(balancer.title);
  }
  CHECK(names == balancer_names());
  CHECK(titles ==
        std::vector<std::string>{"balance-none", "balance-aux", "balance-seq-aux", "balance-bias", "balance-bias-aux"});
  CHECK(changed_keys(run, b[0].config) == std::vector<std::string>{"model.moe.aux_loss_coef"});
  CHECK(b[0].config.model.moe.aux_loss_coef == 0);
  CHECK(changed_keys(run, b[1].config).empty());
  CHECK(changed_keys(run, b[2].config) == std::vector<std::string>{"model.moe.aux_loss_scope"});
  CHECK(b[2].config.model.moe.aux_loss_scope == AuxLossScope::kSequence);
  CHECK(changed_keys(run, b[3].config) ==
        std::vector<std::string>{"model.moe.aux_loss_coef", "model.moe.bias_balancing"});
  CHECK(changed_keys(run, b[4].config) == std::vector<std::string>{"model.moe.bias_balancing"});
}

TEST_CASE("router balancers: a coefficient of 0, a scope and a bias of the configuration's own give way",
          "[analysis]") {
  RunConfig run = lab_run();
  run.model.moe.aux_loss_coef = 0;
  run.model.moe.aux_loss_scope = AuxLossScope::kSequence;
  run.model.moe.bias_balancing = true;
  const std::vector<RouterBalancer> b = router_balancers(run, "aux,bias");
  REQUIRE(b.size() == 2);
  CHECK(b[0].config.model.moe.aux_loss_coef == kBalanceCoefficient);
  CHECK(b[0].config.model.moe.aux_loss_scope == AuxLossScope::kMicroBatch);
  CHECK_FALSE(b[0].config.model.moe.bias_balancing);
  CHECK(b[1].config.model.moe.aux_loss_coef == 0);
  CHECK(b[1].config.model.moe.bias_balancing);
}

TEST_CASE("router balancers: a name that is unknown or there twice is refused", "[analysis]") {
  const RunConfig run = lab_run();
  CHECK(refusal(run, "none,auks") ==
        "here: kinds: 'auks' is no way to balance; did you mean 'aux'?; allowed none, aux, seq-aux, bias, bias+aux");
  CHECK(refusal(run, "aux,") == "here: kinds: '' is no way to balance; allowed none, aux, seq-aux, bias, bias+aux");
  CHECK(refusal(run, "aux,none,aux") == "here: kinds: 'aux' stands there twice");
  CHECK(refusal(run, "a\nb").find("'a\\nb' is no way") != std::string::npos);
  RunConfig dense = run;
  dense.model.moe_layers.clear();
  CHECK(refusal(dense, "aux").find("here: model.moe.layers is empty") == 0);
}
