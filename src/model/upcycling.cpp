// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/upcycling.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace minimoe {
namespace {

constexpr std::string_view kMoE = ".moe.", kExperts = ".moe.experts.", kDense = ".ffn.";

void require_good(const ModelConfig& dense, const UpcyclingOptions& options) {
  std::vector<std::string> problems;
  if (options.num_experts < 2) {
    problems.push_back(concat("num_experts: ", options.num_experts, ", expected 2 or more"));
  } else if (options.top_k > options.num_experts) {
    problems.push_back(concat("top_k: ", options.top_k, ", expected 2..", options.num_experts, " (num_experts)"));
  }
  if (options.top_k < 2) {
    problems.push_back(concat("top_k: ", options.top_k,
                              ", expected 2 or more: the one weight of top_k = 1 is either below 1, which changes the "
                              "model, or always 1, which never trains the router"));
  }
  if (options.gate_order == GateOrder::kSoftmaxTopk) {
    problems.push_back(
        "gate_order: softmax_topk, expected softmax_topk_renorm, topk_softmax or sigmoid_topk_renorm: without "
        "renormalisation the weights sum to less than 1, which changes the model");
  }
  if (!(std::isfinite(options.router_init_std) && options.router_init_std > 0)) {
    problems.push_back(concat("router_init_std: ", options.router_init_std,
                              ", expected a finite number above 0: with equal logits every token chooses the first "
                              "experts"));
  }
  for (std::size_t i = 0; i < options.layers.size(); ++i) {
    if (options.layers[i] >= dense.num_layers) {
      problems.push_back(
          concat("layers: ", options.layers[i], " is not a block; there are ", dense.num_layers, ", counted from 0"));
    } else if (i > 0 && options.layers[i] <= options.layers[i - 1]) {
      problems.push_back(concat("layers: ", options.layers[i], " does not rise; list each block once, ascending"));
    }
  }
  std::string text;
  for (const std::string& problem : problems) text += concat(text.empty() ? "" : "; ", problem);
  require(problems.empty(), "upcycle: ", text);
}

}  // namespace

ModelConfig upcycled_config(const ModelConfig& dense, const UpcyclingOptions& options) {
  require(dense.moe_layers.empty(), "upcycle: the model has MoE layers already, the first in block ",
          dense.moe_layers.empty() ? 0 : dense.moe_layers.front(), "; expected a dense model");
  require_good(dense, options);
  ModelConfig config = dense;
  config.moe_layers = options.layers;
  if (config.moe_layers.empty()) {
    config.moe_layers.resize(config.num_layers);
    std::iota(config.moe_layers.begin(), config.moe_layers.end(), std::size_t{0});
  }
  config.moe = MoEConfig{};
  config.moe.num_experts = options.num_experts;
  config.moe.top_k = options.top_k;
  config.moe.d_expert = dense.d_ff;
  config.moe.gate_order = options.gate_order;
  config.moe.router_init_std = options.router_init_std;
  require_no_problems(config.problems());
  return config;
}

template <class T>
void upcycle_weights(MiniGPT<T>& model, const ParameterList<T>& dense, std::uint64_t seed) {
  std::map<std::string, const ParameterRef<T>*> sources;
  for (const ParameterRef<T>& p : dense) sources.emplace(p.name, &p);
  const std::size_t num_experts = model.config().moe.num_experts;
  ParameterList<T> drawn;
  for (const ParameterRef<T>& p : model.parameters()) {
    std::string name = p.name;
    std::size_t copies = 1;
    if (const std::size_t at = name.find(kExperts); at != std::string::npos) {
      name.replace(at, kExperts.size(), kDense);
      copies = num_experts;
    }
    const auto from = sources.find(name);
    if (from == sources.end()) {
      require(p.name.find(kMoE) != std::string::npos, "upcycle_weights: the dense model has no ", name);
      drawn.push_back(p);
      continue;
    }
    const std::size_t size = from->second->size();
    require(size * copies == p.size(), "upcycle_weights: the dense model is another: ", p.name, " has ", p.size(),
            " values, ", name, ' ', size);
    for (std::size_t e = 0; e < copies; ++e) std::copy_n(from->second->value, size, p.value + e * size);
  }
  initialize_parameters(drawn, seed);
}

template void upcycle_weights(MiniGPT<float>&, const ParameterList<float>&, std::uint64_t);
template void upcycle_weights(MiniGPT<double>&, const ParameterList<double>&, std::uint64_t);

}  // namespace minimoe
