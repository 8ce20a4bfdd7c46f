// SPDX-License-Identifier: Apache-2.0
// The whole model's gradient against central differences in double: both presets, every gate order, with aux loss,
// z-loss and capacity.
#include <cmath>

#include "minimoe/model/minigpt.hpp"
#include "support/catch.hpp"
#include "support/test_tensors.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

constexpr double kAuxCoef = 0.3, kZCoef = 0.05, kStep = 1e-5;

struct Choices {
  std::vector<std::int32_t> topk;
  std::vector<std::uint8_t> kept;
  friend bool operator==(const Choices&, const Choices&) = default;
};

struct GradientCheck {
  explicit GradientCheck(const ModelConfig& config) : exec(threads(1)), model(config) {
    model.initialize(11);
    // Biases and norms start at constants that hide mistakes; move them, the expert bias included.
    const RandomStream noise(4, "noise");
    std::uint64_t draw = 0;
    for (const ParameterRef<double>& p : model.parameters()) {
      for (std::size_t i = 0; i < p.size() && p.init_std == 0; ++i) p.value[i] += 0.1 * noise.normal(draw++);
    }
    arena.build([&](Arena& a) { cache.plan(a, config, 3, 6, 1, true); });
    const RandomStream stream(9, "tokens");
    for (std::size_t t = 0; t < 18; ++t) {
      tokens.push_back(static_cast<std::int32_t>(stream.below(t, config.vocab_size)));
      targets.push_back(static_cast<std::int32_t>(stream.below(100 + t, config.vocab_size)));
      valid.push_back(t < 16);
    }
    targets[2] = targets[16] = targets[17] = kIgnoreIndex;
    for (ParameterRef<double>& p : model.parameters()) {
      if (p.role == Role::kBuffer) continue;
      gradients.emplace_back(p.size(), 0.0);
      p.bind_gradient(gradients.back().data());
    }
  }

  TokenBatch batch() { return {{tokens.data(), {18}}, {valid.data(), {18}}, 3, 6}; }
  View<const std::int32_t, 1> target_view() { return {targets.data(), {18}}; }

  double loss() {
    model.forward(exec, batch(), true, cache);
    double total = model.loss(exec, target_view(), cache).loss / 15;
    const double layers = static_cast<double>(model.num_moe_layers());
    for (const RoutingStats& stats : cache.routing) {
      total += (kAuxCoef * stats.aux_loss + kZCoef * stats.z_loss) / layers;
    }
    return total;
  }

  Choices choices() const {
    Choices all;
    for (const std::size_t layer : model.config().moe_layers) {
      const MoECache<double>& moe = cache.blocks[layer].moe;
      all.topk.insert(all.topk.end(), moe.topk_idx_TK.data(), moe.topk_idx_TK.data() + moe.topk_idx_TK.size());
      all.kept.insert(all.kept.end(), moe.kept_TK.data(), moe.kept_TK.data() + moe.kept_TK.size());
    }
    return all;
  }

  void check() {
    loss();
    const Choices expected = choices();
    LossScale scale;
    scale.cross_entropy = 1.0 / 15;
    scale.balance.resize(model.num_moe_layers());
    for (BalanceGradient& balance : scale.balance) {
      balance.aux_coef = kAuxCoef / static_cast<double>(model.num_moe_layers());
      balance.z_coef = kZCoef / static_cast<double>(model.num_moe_layers());
    }
    model.backward(exec, batch(), target_view(), scale, cache);

    std::size_t changed_choices = 0, index = 0;
    for (const ParameterRef<double>& p : model.parameters()) {
      if (p.role == Role::kBuffer) continue;
      const std::vector<double>& analytic = gradients[index++];
      std::vector<double> numeric(p.size());
      for (std::size_t i = 0; i < p.size(); ++i) {
        const double start = p.value[i];
        p.value[i] = start + kStep;
        const double above = loss();
        changed_choices += choices() != expected;
        p.value[i] = start - kStep;
        const double below = loss();
        changed_choices += choices() != expected;
        p.value[i] = start;
        numeric[i] = (above - below) / (2 * kStep);
      }
      INFO(p.name);
      if (p.name.ends_with("qkv.bias") && !model.config().qk_norm &&
          model.config().position == PositionKind::kLearned) {
        // A key bias adds the same to all scores of a query: its true gradient is 0.
        check_key_bias(analytic, numeric);
      } else {
        CHECK(relative_error(analytic, numeric) < 1e-6);
      }
    }
    // Every margin of a top-k or kept/dropped choice exceeds the step: no perturbed evaluation chose differently.
    CHECK(changed_choices == 0);
  }

  void check_key_bias(const std::vector<double>& analytic, const std::vector<double>& numeric) {
    const std::size_t begin = model.config().d_model,
                      end = begin + model.config().kv_heads() * model.config().head_dim();
    const auto others = [&](const std::vector<double>& all) {
      std::vector<double> rest(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(begin));
      rest.insert(rest.end(), all.begin() + static_cast<std::ptrdiff_t>(end), all.end());
      return rest;
    };
    for (std::size_t i = begin; i < end; ++i) CHECK(std::abs(analytic[i]) < 1e-10);
    CHECK(relative_error(others(analytic), others(numeric)) < 1e-6);
  }

  Exec exec;
  MiniGPT<double> model;
  ModelCache<double> cache;
  Arena arena;
  std::vector<std::int32_t> tokens, targets;
  std::vector<std::uint8_t> valid;
  std::vector<std::vector<double>> gradients;
};

}  // namespace

TEST_CASE("minigpt: the gradient is that of the loss, for every preset, gate order and way of dropping", "[model]") {
  const bool llama = GENERATE(false, true);
  const GateOrder order = GENERATE(GateOrder::kSoftmaxTopkRenorm, GateOrder::kSoftmaxTopk, GateOrder::kTopkSoftmax,
                                   GateOrder::kSigmoidTopkRenorm);
  const double capacity_factor = GENERATE(0.0, 0.75);
  const DropPriority priority =
      capacity_factor > 0 ? GENERATE(DropPriority::kPosition, DropPriority::kProbability) : DropPriority::kPosition;
  ModelConfig config = toy_model(llama ? llama_preset() : gpt2_preset());
  config.moe.gate_order = order;
  config.moe.capacity_factor = capacity_factor;
  config.moe.drop_priority = priority;
  config.moe.router_bias = true;
  GradientCheck(config).check();
}

TEST_CASE("minigpt: the gradient is that of the loss with every option of attention, head and experts", "[model]") {
  ModelConfig config = toy_model(llama_preset());
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.qk_norm = true;
  config.tied_embeddings = true;
  config.attention_bias = true;
  config.rope_pairing = GENERATE(RopePairing::kHalfSplit, RopePairing::kInterleaved);
  config.moe_layers = {0, 1};
  config.moe.num_shared_experts = 1;
  config.moe.shared_expert_gate = config.qk_norm_full_width = GENERATE(false, true);
  config.attention_output_bias = !config.qk_norm_full_width;
  config.moe.aux_loss_scope = GENERATE(AuxLossScope::kMicroBatch, AuxLossScope::kSequence);
  GradientCheck(config).check();
}

TEST_CASE("minigpt: the gradient of a mixed model is that of its loss (GELU by erf, top-1, learned positions)",
          "[model]") {
  ModelConfig config = toy_model();
  config.gelu = Gelu::kErf;
  config.num_kv_heads = 1;
  config.norm = NormKind::kRmsNorm;
  config.moe.top_k = 1;
  config.moe_layers = {0};
  GradientCheck(config).check();
}
