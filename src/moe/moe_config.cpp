// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/moe_config.hpp"

#include <algorithm>
#include <cmath>

namespace minimoe {
namespace {

constexpr std::size_t kMaxExperts = 4096, kMaxHidden = std::size_t{1} << 20;

class ProblemList {
 public:
  explicit ProblemList(std::vector<std::string>& out) : out_(out) {}

  template <class... Args>
  void unless(bool good, const Args&... message) {
    if (!good) out_.push_back(concat(message...));
  }
  void not_negative(const char* key, double value) {
    unless(std::isfinite(value) && value >= 0, key, ": ", value, ", expected a finite number >= 0");
  }

 private:
  std::vector<std::string>& out_;
};

const char* constant_gate_order(GateOrder order) {
  switch (order) {
    case GateOrder::kSoftmaxTopkRenorm:
      return "softmax_topk_renorm";
    case GateOrder::kTopkSoftmax:
      return "topk_softmax";
    case GateOrder::kSigmoidTopkRenorm:
      return "sigmoid_topk_renorm";
    default:
      return nullptr;
  }
}

}  // namespace

std::vector<std::string> MoEConfig::problems() const {
  std::vector<std::string> out;
  ProblemList list(out);
  list.unless(d_model > 0, "moe.d_model: 0, expected at least 1");
  list.unless(num_experts >= 1 && num_experts <= kMaxExperts, "moe.num_experts: ", num_experts, ", expected 1..",
              kMaxExperts);
  list.unless(top_k >= 1 && top_k <= num_experts, "moe.top_k: ", top_k, ", expected 1..", num_experts,
              " (moe.num_experts)");
  list.unless(d_expert >= 1 && d_expert <= kMaxHidden, "moe.d_expert: ", d_expert, ", expected 1..", kMaxHidden);
  list.unless(num_shared_experts <= kMaxExperts, "moe.num_shared_experts: ", num_shared_experts, ", expected 0..",
              kMaxExperts);
  list.unless(!shared_expert_gate || num_shared_experts > 0,
              "moe.shared_expert_gate: true, needs moe.num_shared_experts of at least 1");

  const GateOrder order = resolved_gate_order();
  if (const char* name = constant_gate_order(order); name && top_k == 1 && !allow_constant_gate) {
    out.push_back(concat("moe.gate_order: ", name,
                         " with moe.top_k = 1 gives every token the weight 1, and the router no gradient from the main "
                         "loss; use softmax_topk, or set moe.allow_constant_gate"));
  }
  list.unless(routed_scale >= 1e-6 && routed_scale <= 1e6, "moe.routed_scale: ", routed_scale, ", expected 1e-6..1e6");
  list.unless(routed_scale == 1 || order == GateOrder::kSigmoidTopkRenorm, "moe.routed_scale: ", routed_scale,
              ", only moe.gate_order = sigmoid_topk_renorm uses it");

  list.not_negative("moe.router_init_std", router_init_std);
  list.unless(router_bias_init.empty() || router_bias, "moe.router_bias_init: needs moe.router_bias = true");
  list.unless(router_bias_init.empty() || router_bias_init.size() == num_experts,
              "moe.router_bias_init: ", router_bias_init.size(), " values, expected ", num_experts,
              " (moe.num_experts)");
  list.unless(std::all_of(router_bias_init.begin(), router_bias_init.end(), [](double v) { return std::isfinite(v); }),
              "moe.router_bias_init: every value must be finite");
  list.not_negative("moe.router_learning_rate_factor", router_learning_rate_factor);

  list.not_negative("moe.aux_loss_coef", aux_loss_coef);
  list.not_negative("moe.z_loss_coef", z_loss_coef);
  list.not_negative("moe.bias_update_rate", bias_update_rate);
  list.not_negative("moe.capacity_factor", capacity_factor);
  list.not_negative("moe.eval_capacity_factor", eval_capacity_factor);
  list.not_negative("moe.init_std", init_std);
  list.not_negative("moe.init_std_down", init_std_down);
  return out;
}

std::size_t expert_capacity(double capacity_factor, std::size_t num_tokens, std::size_t top_k,
                            std::size_t num_experts) {
  if (capacity_factor == 0) return num_tokens;
  const double share =
      capacity_factor * static_cast<double>(num_tokens) * static_cast<double>(top_k) / static_cast<double>(num_experts);
  const double slots = std::ceil(share - 1e-9);  // 1.1 * 100 / 10 is a little above 11 in doubles
  return slots >= static_cast<double>(num_tokens) ? num_tokens : static_cast<std::size_t>(std::max(slots, 0.0));
}

}  // namespace minimoe
