// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "moe/layer_run.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using minimoe::test::LayerRun;

namespace {

constexpr std::size_t kWidth = 6, kBatch = 3, kLength = 8;
const std::vector<std::size_t> kLengths{8, 5, 1};  // valid tokens of each sequence

std::vector<std::uint8_t> right_padding() {
  std::vector<std::uint8_t> valid(kBatch * kLength, 0);
  for (std::size_t b = 0; b < kBatch; ++b) std::fill_n(valid.begin() + b * kLength, kLengths[b], std::uint8_t{1});
  return valid;
}

std::vector<MoEConfig> configs() {
  std::vector<MoEConfig> list;
  for (const FfnKind ffn : {FfnKind::kGelu, FfnKind::kSwiglu}) {
    for (const std::size_t num_shared : {0, 1}) {
      for (const GateOrder order : {GateOrder::kSoftmaxTopkRenorm, GateOrder::kSigmoidTopkRenorm}) {
        for (const AuxLossScope scope : {AuxLossScope::kMicroBatch, AuxLossScope::kSequence}) {
          MoEConfig config{.d_model = kWidth, .d_expert = 16, .ffn = ffn, .gate_order = order};
          config.num_shared_experts = num_shared;
          config.shared_expert_gate = num_shared > 0 && order == GateOrder::kSoftmaxTopkRenorm;
          config.aux_loss_coef = 0.3;
          config.aux_loss_scope = scope;
          config.z_loss_coef = 0.2;
          config.router_bias = true;
          list.push_back(config);
        }
      }
    }
  }
  return list;
}

}  // namespace

TEST_CASE("padding: what stands in it, NaN too, changes no bit; its output and gradient are exactly 0", "[moe][mask]") {
  for (MoEConfig config : configs()) {
    for (const double factor : {0.0, 0.75}) {
      config.capacity_factor = factor;
      LayerRun<float> a(config, kBatch * kLength), b(config, kBatch * kLength);
      for (auto* run : {&a, &b}) {
        run->context.seq_len = kLength;
        run->set_valid(right_padding());
      }
      for (std::size_t i = 0; i < b.x.size(); ++i) {
        if (b.valid[i / kWidth]) continue;
        b.x[i] = std::numeric_limits<float>::quiet_NaN();
        b.d_y[i] = std::numeric_limits<float>::infinity();
      }
      a.step();
      b.step();
      CHECK(test::equal_bits(a.y, b.y));
      CHECK(test::equal_bits(a.d_x, b.d_x));
      CHECK(a.gradients == b.gradients);
      CHECK(a.stats.load == b.stats.load);
      CHECK(a.stats.aux_loss == b.stats.aux_loss);
      CHECK(a.stats.num_tokens == 14);
      bool zero = true;
      for (std::size_t i = 0; i < a.y.size(); ++i)
        zero = zero && (a.valid[i / kWidth] || (a.y[i] == 0 && a.d_x[i] == 0));
      CHECK(zero);
      for (std::size_t t = 0; t < kBatch * kLength; ++t) CHECK((a.topk_idx()[2 * t] == -1) == (a.valid[t] == 0));
    }
  }
}

TEST_CASE("padding: adding it changes counts by 0 and floats by less than 1e-6, capacity included", "[moe][mask]") {
  for (MoEConfig config : configs()) {
    if (config.aux_loss_scope == AuxLossScope::kSequence) continue;  // here the sequences lose their borders
    for (const double factor : {0.0, 0.75}) {
      config.capacity_factor = factor;
      LayerRun<float> padded(config, kBatch * kLength), dense(config, 14);
      padded.set_valid(right_padding());
      std::size_t n = 0;
      for (std::size_t t = 0; t < kBatch * kLength; ++t) {
        if (!padded.valid[t]) continue;
        std::copy_n(&padded.x[t * kWidth], kWidth, &dense.x[n * kWidth]);
        std::copy_n(&padded.d_y[t * kWidth], kWidth, &dense.d_y[n * kWidth]);
        ++n;
      }
      REQUIRE(n == 14);
      padded.step();
      dense.step();
      CHECK(padded.stats.load == dense.stats.load);
      CHECK(padded.stats.dropped == dense.stats.dropped);
      CHECK((padded.stats.num_dropped > 0) == (factor > 0));
      CHECK(padded.stats.num_tokens == dense.stats.num_tokens);
      CHECK(padded.stats.aux_loss == Approx(dense.stats.aux_loss).epsilon(1e-12));
      CHECK(padded.stats.z_loss == Approx(dense.stats.z_loss).epsilon(1e-12));
      std::vector<float> y, d_x;
      for (std::size_t i = 0; i < padded.y.size(); ++i) {
        if (!padded.valid[i / kWidth]) continue;
        y.push_back(padded.y[i]);
        d_x.push_back(padded.d_x[i]);
      }
      CHECK(test::distance(y, dense.y) < 1e-6);
      CHECK(test::distance(d_x, dense.d_x) < 1e-6);
      for (const auto& [name, gradient] : padded.gradients) {
        INFO(name);
        CHECK(test::distance(gradient, dense.gradients.at(name)) < 1e-6);
      }
    }
  }
}

TEST_CASE("padding: a sequence that is all padding is not in the mean of the sequence losses", "[moe][mask]") {
  MoEConfig config{.d_model = kWidth, .aux_loss_coef = 1, .aux_loss_scope = AuxLossScope::kSequence};
  LayerRun<double> run(config, 12), alone(config, 4);
  run.context.seq_len = alone.context.seq_len = 4;
  run.set_valid({1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0});
  run.forward();
  alone.forward();
  CHECK(run.stats.aux_loss == Approx(alone.stats.aux_loss).epsilon(1e-14));
  run.set_valid(std::vector<std::uint8_t>(12, 0));
  run.step();
  CHECK(run.stats.aux_loss == 0);
  CHECK(run.stats.z_loss == 0);
  CHECK(run.y == std::vector<double>(72, 0.0));
  CHECK(run.d_x == std::vector<double>(72, 0.0));
}
