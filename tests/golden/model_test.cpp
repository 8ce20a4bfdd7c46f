// SPDX-License-Identifier: Apache-2.0
// Whole models against PyTorch: logits, losses and all gradients, for both presets and every gate order.
#include "golden/golden_parameters.hpp"
#include "minimoe/model/minigpt.hpp"
#include "minimoe/train/run_config.hpp"

namespace minimoe::test {
namespace {

template <class T>
void check_model(const GoldenFile& file, const std::string& name) {
  const nlohmann::json& info = file.info(name);
  const RunConfig run = parse_run_config(info["config"].dump());
  const std::vector<std::int32_t> tokens = file.values<std::int32_t>(name + "/tokens");
  const std::vector<std::int32_t> targets = file.values<std::int32_t>(name + "/targets");
  const std::vector<std::uint8_t> valid = file.values<std::uint8_t>(name + "/valid");
  const std::size_t num_tokens = run.train.batch_size * run.train.seq_len;
  REQUIRE(tokens.size() == num_tokens);

  Exec exec({.num_threads = 1});
  MiniGPT<T> model(run.model);
  load_values(model.parameters(), file, name + "/start");
  const BoundGradients<T> gradients(model.parameters());
  ModelCache<T> cache;
  Arena arena;
  arena.build(
      [&](Arena& a) { cache.plan(a, run.model, run.train.batch_size, run.train.seq_len, exec.num_threads(), true); });
  TokenBatch batch;
  batch.tokens = {tokens.data(), {num_tokens}};
  batch.valid = {valid.data(), {num_tokens}};
  batch.batch_size = run.train.batch_size;
  batch.seq_len = run.train.seq_len;
  const View<const std::int32_t, 1> target_view(targets.data(), {num_tokens});

  model.forward(exec, batch, true, cache);
  check_close<T>(cache.logits_TV.flat(), file, name + "/logits", kTolerance<T>);
  const CrossEntropySum sum = model.loss(exec, target_view, cache);
  check_close(sum.loss / static_cast<double>(sum.num_targets), info["loss"], kTolerance<T>);
  const auto num_layers = static_cast<double>(cache.routing.size());
  double aux_loss = 0, z_loss = 0;
  for (std::size_t layer = 0; layer < cache.routing.size(); ++layer) {
    CHECK(cache.routing[layer].load == info["load"][layer].get<std::vector<std::int64_t>>());
    aux_loss += cache.routing[layer].aux_loss / num_layers;
    z_loss += cache.routing[layer].z_loss / num_layers;
  }
  check_close(aux_loss, info["aux_loss"], kTolerance<T>);
  check_close(z_loss, info["z_loss"], kTolerance<T>);

  LossScale scale;
  scale.cross_entropy = 1.0 / static_cast<double>(sum.num_targets);
  BalanceGradient balance;
  balance.aux_coef = run.model.moe.aux_loss_coef / num_layers;
  balance.z_coef = run.model.moe.z_loss_coef / num_layers;
  scale.balance.assign(cache.routing.size(), balance);
  model.backward(exec, batch, target_view, scale, cache);
  gradients.check(file, name + "/gradient", kTolerance<T>);
}

}  // namespace

TEMPLATE_TEST_CASE("golden model: logits, losses and gradients equal PyTorch", "[golden]", float, double) {
  const GoldenFile file("model");
  const std::vector<std::string> names = file.cases();
  CHECK(names.size() >= 8);
  for (const std::string& name : names) {
    INFO(name);
    REQUIRE(file.info(name)["topk_margin"] > 1e-6);  // else rounding could choose other experts
    check_model<TestType>(file, name);
  }
}

}  // namespace minimoe::test
