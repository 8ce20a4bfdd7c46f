// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/feed_forward.hpp"

#include "moe/layer_run.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using minimoe::test::LayerRun;

namespace {

template <class T>
struct DenseRun {
  FeedForward<T> layer;
  ParameterList<T> parameters;
  std::map<std::string, std::vector<T>> gradients;
  Arena arena;
  FeedForwardCache<T> cache;
  Exec exec{ExecOptions{.num_threads = 1}};
  std::vector<T> x, y, d_y, d_x;
  std::size_t num_tokens;

  DenseRun(const FeedForwardConfig& config, std::size_t tokens)
      : layer(config),
        x(test::normal_values<T>(tokens * config.d_model, "x")),
        y(x.size()),
        d_y(test::normal_values<T>(x.size(), "d_y")),
        d_x(x.size()),
        num_tokens(tokens) {
    layer.collect_parameters("ffn", parameters);
    for (ParameterRef<T>& p : parameters) {
      p.name = p.name.substr(4);
      const std::vector<T> start = test::normal_values<T>(p.size(), p.name, 0.5);
      std::copy(start.begin(), start.end(), p.value);
      gradients[p.name].assign(p.size(), T(0));
      p.bind_gradient(gradients[p.name].data());
    }
    arena.build([&](Arena& a) { cache.plan(a, config, tokens); });
  }
  View<T, 2> tokens(std::vector<T>& values) { return View<T, 2>(values.data(), {num_tokens, layer.config().d_model}); }
  void step() {
    layer.forward(exec, tokens(y), tokens(x), cache);
    layer.backward(exec, tokens(d_x), tokens(d_y), tokens(x), cache);
  }
};

template <class T>
void check_one_expert_is_dense(FfnKind kind, GateOrder order, std::size_t num_tokens) {
  MoEConfig config{.d_model = 24, .num_experts = 1, .top_k = 1, .d_expert = 40, .ffn = kind, .gate_order = order};
  config.allow_constant_gate = true;
  config.aux_loss_coef = 0.3;
  LayerRun<T> moe(config, num_tokens);
  DenseRun<T> dense({.d_model = 24, .d_ff = 40, .kind = kind}, num_tokens);
  for (auto& p : dense.parameters) moe.set("experts." + p.name, std::vector<T>(p.value, p.value + p.size()));
  moe.step();
  dense.step();
  CHECK(test::equal_bits(moe.y, dense.y));
  CHECK(test::equal_bits(moe.d_x, dense.d_x));
  CHECK(dense.gradients.size() == (kind == FfnKind::kGelu ? 4 : 3));
  for (const auto& [name, gradient] : dense.gradients) {
    INFO(name);
    CHECK(test::equal_bits(moe.gradients.at("experts." + name), gradient));
  }
}

}  // namespace

TEST_CASE("feed_forward: an MoE layer of one expert is the dense network bit for bit, gradients too", "[moe][ffn]") {
  for (const FfnKind kind : {FfnKind::kGelu, FfnKind::kSwiglu}) {
    for (const GateOrder order :
         {GateOrder::kAuto, GateOrder::kSoftmaxTopkRenorm, GateOrder::kTopkSoftmax, GateOrder::kSigmoidTopkRenorm}) {
      for (const std::size_t num_tokens : {1, 7, 130}) {
        check_one_expert_is_dense<float>(kind, order, num_tokens);
        check_one_expert_is_dense<double>(kind, order, num_tokens);
      }
    }
  }
}

TEST_CASE("feed_forward: identical experts with gates that sum to 1 are the dense network", "[moe][ffn]") {
  for (const GateOrder order :
       {GateOrder::kSoftmaxTopkRenorm, GateOrder::kTopkSoftmax, GateOrder::kSigmoidTopkRenorm}) {
    MoEConfig config{.d_model = 9, .num_experts = 5, .top_k = 3, .d_expert = 11, .gate_order = order};
    config.aux_loss_coef = 0;
    LayerRun<double> moe(config, 30);
    DenseRun<double> dense({.d_model = 9, .d_ff = 11}, 30);
    for (auto& p : dense.parameters) {
      std::vector<double> stacked;
      for (int e = 0; e < 5; ++e) stacked.insert(stacked.end(), p.value, p.value + p.size());
      moe.set("experts." + p.name, stacked);
    }
    moe.step();
    dense.step();
    CHECK(test::distance(moe.y, dense.y) < 1e-14);
    CHECK(test::distance(moe.d_x, dense.d_x) < 1e-13);  // the router's gradient is 0: who is chosen does not matter
    for (const auto& [name, gradient] : dense.gradients) {
      std::vector<double> sum(gradient.size(), 0.0);
      const auto& stacked = moe.gradients.at("experts." + name);
      for (std::size_t i = 0; i < stacked.size(); ++i) sum[i % sum.size()] += stacked[i];
      INFO(name);
      CHECK(test::distance(sum, gradient) < 1e-14);
    }
  }
}

TEST_CASE("feed_forward: equals the scalar loops, GELU with biases and SwiGLU without", "[moe][ffn]") {
  for (const FfnKind kind : {FfnKind::kGelu, FfnKind::kSwiglu}) {
    for (const Gelu gelu : {Gelu::kTanh, Gelu::kErf}) {
      DenseRun<double> run({.d_model = 7, .d_ff = 13, .kind = kind, .gelu = gelu}, 5);
      run.step();
      reference::Network network;
      network.exact_gelu = gelu == Gelu::kErf;
      for (auto& p : run.parameters) {
        const std::vector<double> value(p.value, p.value + p.size());
        if (p.name == "w_gate_proj") network.w_gate = value;
        if (p.name == "w_up_proj") network.w_up = value;
        if (p.name == "b_up_proj") network.b_up = value;
        if (p.name == "w_down_proj") network.w_down = value;
        if (p.name == "b_down_proj") network.b_down = value;
        CHECK((p.decay == Decay::kYes) == (p.name[0] == 'w'));
      }
      CHECK(network.w_gate.empty() == (kind == FfnKind::kGelu));
      CHECK(network.b_up.empty() == (kind == FfnKind::kSwiglu));
      for (std::size_t t = 0; t < 5; ++t) {
        const auto expected = network({run.x.begin() + t * 7, run.x.begin() + (t + 1) * 7});
        const std::vector<double> got(run.y.begin() + t * 7, run.y.begin() + (t + 1) * 7);
        CHECK(test::distance(got, expected) < 1e-14);
      }
    }
  }
}

TEST_CASE("feed_forward: wrong shapes are refused with both shapes", "[moe][ffn]") {
  DenseRun<float> run({.d_model = 6, .d_ff = 8}, 4);
  std::vector<float> other(100);
  const View<float, 2> wide(other.data(), {4, 7}), many(other.data(), {5, 6}), good(other.data(), {4, 6});
  CHECK_THROWS_WITH(run.layer.forward(run.exec, good, wide, run.cache),
                    "feed_forward.forward: x is [4, 7], expected [T, 6] (d_model = 6)");
  CHECK_THROWS_WITH(run.layer.forward(run.exec, many, many, run.cache),
                    "feed_forward.forward: x is [5, 6], the cache is planned for 4 tokens");
  CHECK_THROWS_WITH(run.layer.forward(run.exec, wide, good, run.cache),
                    "feed_forward.forward: y is [4, 7], expected [4, 6]");
  CHECK_THROWS_WITH(run.layer.backward(run.exec, wide, good, good, run.cache),
                    "feed_forward.backward: d_x is [4, 7], expected [4, 6]");
  CHECK_THROWS_AS(FeedForward<float>({.d_model = 0, .d_ff = 8}), Error);
}
