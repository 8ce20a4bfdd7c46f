// SPDX-License-Identifier: Apache-2.0
// An MoE layer with random weights, its buffers and its inputs: what the tests of src/moe run and change.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "minimoe/moe/moe_layer.hpp"
#include "support/reference_moe.hpp"

namespace minimoe::test {

/// Normal values addressed by name; float values are the rounded double ones.
template <class T>
std::vector<T> normal_values(std::size_t count, const std::string& name, double scale = 1) {
  const RandomStream stream(36000, name);
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<T>(scale * stream.normal(i));
  return values;
}

template <class Value>
bool equal_bits(const std::vector<Value>& a, const std::vector<Value>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Value)) == 0);
}

/// ||a - b|| / (||a|| + ||b||); 0 when both are zero, NaN when anything is.
template <class A, class B>
double distance(const std::vector<A>& a, const std::vector<B>& b) {
  if (a.size() != b.size()) return 2;
  double difference = 0, norm_a = 0, norm_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto p = static_cast<double>(a[i]), q = static_cast<double>(b[i]);
    difference += (p - q) * (p - q);
    norm_a += p * p;
    norm_b += q * q;
  }
  return difference == 0 ? 0 : std::sqrt(difference) / (std::sqrt(norm_a) + std::sqrt(norm_b));
}

template <class T>
std::vector<double> widen(const std::vector<T>& values) {
  return std::vector<double>(values.begin(), values.end());
}

template <class T>
struct LayerRun {
  MoEConfig config;
  std::size_t num_tokens;
  Exec exec;
  MoELayer<T> layer;
  ParameterList<T> parameters;
  std::map<std::string, std::vector<T>> gradients;  ///< by registry name, without the prefix "moe."
  Arena arena;
  MoECache<T> cache;
  RoutingStats stats;
  RoutingContext context;
  BalanceGradient balance;
  std::vector<std::uint8_t> valid;
  std::vector<T> x, y, d_y, d_x;

  LayerRun(const MoEConfig& moe_config, std::size_t tokens, int num_threads = 1)
      : config(moe_config),
        num_tokens(tokens),
        exec(ExecOptions{.num_threads = num_threads}),
        layer(moe_config),
        x(normal_values<T>(tokens * moe_config.d_model, "x")),
        y(x.size(), T(7)),
        d_y(normal_values<T>(x.size(), "d_y")),
        d_x(x.size(), T(7)) {
    layer.collect_parameters("moe", parameters);
    for (ParameterRef<T>& p : parameters) {
      p.name = p.name.substr(4);
      const double scale = p.name == "expert_bias" ? 0.05 : p.name == "router.weight" ? 0.7 : 0.5;
      const std::vector<T> start = normal_values<T>(p.size(), p.name, scale);
      std::copy(start.begin(), start.end(), p.value);
      if (p.bind_gradient) {
        gradients[p.name].assign(p.size(), T(0));
        p.gradient = gradients[p.name].data();
        p.bind_gradient(p.gradient);
      }
    }
    plan(tokens);
    balance.aux_coef = config.aux_loss_coef;
    balance.z_coef = config.z_loss_coef;
    context.training = true;
  }

  void plan(std::size_t max_tokens) {
    arena.build([&](Arena& a) {
      cache = {};
      cache.plan(a, config, max_tokens);
    });
  }

  ParameterRef<T>& parameter(const std::string& name) {
    for (ParameterRef<T>& p : parameters) {
      if (p.name == name) return p;
    }
    throw std::logic_error("no parameter " + name);
  }
  std::vector<T> value(const std::string& name) {
    ParameterRef<T>& p = parameter(name);
    return std::vector<T>(p.value, p.value + p.size());
  }
  void set(const std::string& name, const std::vector<T>& values) {
    ParameterRef<T>& p = parameter(name);
    if (values.size() != p.size()) throw std::logic_error("wrong size for " + name);
    std::copy(values.begin(), values.end(), p.value);
  }
  void set_valid(const std::vector<std::uint8_t>& flags) {
    valid = flags;
    context.valid = View<const std::uint8_t, 1>(valid.data(), {valid.size()});
  }

  View<T, 2> tokens(std::vector<T>& values) { return View<T, 2>(values.data(), {num_tokens, config.d_model}); }

  void forward() { layer.forward(exec, tokens(y), tokens(x), context, cache, stats); }
  void backward() { layer.backward(exec, tokens(d_x), tokens(d_y), tokens(x), context, cache, balance); }
  void zero_gradients() {
    for (auto& [name, values] : gradients) std::fill(values.begin(), values.end(), T(0));
  }
  void step() {
    zero_gradients();
    forward();
    backward();
  }

  /// The first T rows of a cache tensor.
  template <class Value>
  std::vector<std::remove_const_t<Value>> rows(View<Value, 2> view) const {
    return std::vector<std::remove_const_t<Value>>(view.data(), view.data() + num_tokens * view.shape(1));
  }
  std::vector<std::int32_t> topk_idx() const { return rows(cache.topk_idx_TK); }
  std::vector<std::uint8_t> kept() const { return rows(cache.kept_TK); }
  std::vector<T> gate_weights() const { return rows(cache.gate_weights_TK); }

  /// Tokens that are unit vectors (num_tokens == d_model) and these logits [T, E]: the router's weight is the logits
  /// transposed, and so is its gradient that of the logits.
  void set_logits(const std::vector<std::vector<double>>& logits) {
    std::fill(x.begin(), x.end(), T(0));
    std::vector<T> weight(config.num_experts * config.d_model);
    for (std::size_t t = 0; t < num_tokens; ++t) {
      x[t * config.d_model + t] = 1;
      for (std::size_t e = 0; e < config.num_experts; ++e) {
        weight[e * config.d_model + t] = static_cast<T>(logits[t][e]);
      }
    }
    set("router.weight", weight);
  }
  T d_logit(std::size_t t, std::size_t e) { return gradients["router.weight"][e * config.d_model + t]; }

  reference::Network reference_network(const std::string& prefix, std::size_t index, std::size_t count) {
    const auto slice = [&](const std::string& name) {
      for (const ParameterRef<T>& p : parameters) {
        if (p.name != prefix + name) continue;
        const std::size_t size = p.size() / count;
        return std::vector<double>(p.value + index * size, p.value + (index + 1) * size);
      }
      return std::vector<double>();
    };
    reference::Network network{slice("w_gate_proj"), slice("w_up_proj"), slice("b_up_proj"), slice("w_down_proj"),
                               slice("b_down_proj")};
    network.exact_gelu = config.gelu == Gelu::kErf;
    return network;
  }
  reference::MoEResult reference_forward() {
    reference::MoE moe;
    moe.D = config.d_model;
    moe.E = config.num_experts;
    moe.K = config.top_k;
    const std::map<GateOrder, reference::Gate> gates{
        {GateOrder::kSoftmaxTopkRenorm, reference::Gate::kSoftmaxTopkRenorm},
        {GateOrder::kSoftmaxTopk, reference::Gate::kSoftmaxTopk},
        {GateOrder::kTopkSoftmax, reference::Gate::kTopkSoftmax},
        {GateOrder::kSigmoidTopkRenorm, reference::Gate::kSigmoidTopkRenorm}};
    moe.gate = gates.at(config.resolved_gate_order());
    moe.routed_scale = config.routed_scale;
    moe.capacity_factor = context.training ? config.capacity_factor : config.eval_capacity_factor;
    moe.drop_by_probability = config.drop_priority == DropPriority::kProbability;
    moe.aux_seq_len = config.aux_loss_scope == AuxLossScope::kSequence ? context.seq_len : 0;
    moe.w_router = widen(value("router.weight"));
    if (config.router_bias) moe.b_router = widen(value("router.bias"));
    moe.expert_bias = widen(value("expert_bias"));
    for (std::size_t e = 0; e < moe.E; ++e) moe.experts.push_back(reference_network("experts.", e, moe.E));
    if (config.num_shared_experts > 0) moe.shared.push_back(reference_network("shared.", 0, 1));
    if (config.shared_expert_gate) moe.w_shared_gate = widen(value("shared_gate.weight"));
    return reference::moe_forward(moe, widen(x), valid);
  }
};

}  // namespace minimoe::test
