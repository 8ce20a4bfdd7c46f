// SPDX-License-Identifier: Apache-2.0
// One MoE layer against PyTorch: routing, output, losses and all gradients, for every gate order and option.
#include "minimoe/moe/moe_layer.hpp"

#include "golden/golden_parameters.hpp"
#include "minimoe/train/run_config.hpp"

namespace minimoe::test {
namespace {

template <class T>
void check_layer(const GoldenFile& file, const std::string& name) {
  const nlohmann::json& info = file.info(name);
  const MoEConfig config = parse_run_config(info["config"].dump()).model.moe_config();
  const Tensor<T, 2> x = file.tensor<T, 2>(name + "/x"), d_y = file.tensor<T, 2>(name + "/d_y");
  const std::size_t num_tokens = x.shape()[0];
  const std::vector<std::uint8_t> valid = file.values<std::uint8_t>(name + "/valid");

  Exec exec({.num_threads = 1});
  MoELayer<T> layer(config);
  ParameterList<T> parameters;
  layer.collect_parameters("moe", parameters);
  load_values(parameters, file, name + "/start");
  const BoundGradients<T> gradients(parameters);
  MoECache<T> cache;
  Arena arena;
  arena.build([&](Arena& a) { cache.plan(a, config, num_tokens); });
  RoutingStats stats;
  RoutingContext context;
  context.valid = {valid.data(), {num_tokens}};
  context.seq_len = info["config"]["train"]["seq_len"];
  context.training = true;

  Tensor<T, 2> y = make_tensor<T, 2>(x.shape()), d_x = make_tensor<T, 2>(x.shape());
  layer.forward(exec, y, x, context, cache, stats);
  CHECK(stats.load == info["load"].get<std::vector<std::int64_t>>());
  CHECK(stats.num_dropped == info["num_dropped"]);
  check_close(stats.aux_loss, info["aux_loss"], kTolerance<T>);
  check_close(stats.z_loss, info["z_loss"], kTolerance<T>);
  const auto as_integers = [](auto view) { return std::vector<int>(view.data(), view.data() + view.size()); };
  CHECK(as_integers(cache.topk_idx_TK.rows(0, num_tokens)) == file.values<int>(name + "/topk_idx"));
  CHECK(as_integers(cache.kept_TK.rows(0, num_tokens)) == file.values<int>(name + "/kept"));
  check_close<T>(cache.gate_weights_TK.rows(0, num_tokens).flat(), file, name + "/gate_weights", kTolerance<T>);
  check_close<T>(cache.router_probs_TE.rows(0, num_tokens).flat(), file, name + "/router_probs", kTolerance<T>);
  check_close<T>({y.data(), {y.size()}}, file, name + "/y", kTolerance<T>);

  BalanceGradient balance;
  balance.aux_coef = config.aux_loss_coef;
  balance.z_coef = config.z_loss_coef;
  std::vector<std::int64_t> global_load;
  if (info.contains("global_load")) {
    global_load = info["global_load"].get<std::vector<std::int64_t>>();
    balance.global_load = {global_load.data(), {global_load.size()}};
    balance.num_tokens = info["num_tokens"];
  }
  layer.backward(exec, d_x, d_y, x, context, cache, balance);
  check_close<T>({d_x.data(), {d_x.size()}}, file, name + "/d_x", kTolerance<T>);
  gradients.check(file, name + "/gradient", kTolerance<T>);
}

}  // namespace

TEMPLATE_TEST_CASE("golden moe_layer: routing, output, losses and gradients equal PyTorch", "[golden]", float, double) {
  const GoldenFile file("moe_layer");
  const std::vector<std::string> names = file.cases();
  CHECK(names.size() >= 18);
  for (const std::string& name : names) {
    INFO(name);
    REQUIRE(file.info(name)["topk_margin"] > 1e-6);  // else rounding could choose other experts
    check_layer<TestType>(file, name);
  }
}

}  // namespace minimoe::test
