// SPDX-License-Identifier: Apache-2.0
// What to try, cheapest first: the balance loss, the router's start, the shape, the learning rate.
#include "analysis/layer_health.hpp"
#include "analysis/number_text.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

constexpr double kStrongCoef = 0.05, kStartStd = 0.02;

class Advice {
 public:
  Advice(const LayerHealth& layer, const HealthOptions& options) : layer_(layer), o_(options) {}

  std::vector<std::string> list() {
    switch (layer_.verdict) {
      case Verdict::kHealthy:
        break;
      case Verdict::kUntested:
        untested();
        break;
      case Verdict::kSham:
        sham();
        break;
      case Verdict::kSkewed:
      case Verdict::kAtRisk:
      case Verdict::kCollapsed:
        if (layer_.rule == "drops") {
          drops();
        } else {
          uneven();
        }
    }
    return std::move(list_);
  }

 private:
  void add(std::string text) { list_.push_back(std::move(text)); }
  bool is_shape_fixed() const { return layer_.top_k == layer_.num_experts; }

  void balance_loss() {
    if (o_.aux_loss_coef && *o_.aux_loss_coef >= kStrongCoef) return;
    add(o_.aux_loss_coef ? concat("raise aux_loss_coef from ", *o_.aux_loss_coef, " to 0.05")
                         : std::string("raise aux_loss_coef to 0.05"));
  }
  void start() {
    if (o_.router_init_std && *o_.router_init_std > 0 && *o_.router_init_std <= kStartStd) return;
    add(o_.router_init_std
            ? concat("start the router's weight with a standard deviation of 0.02, not ", *o_.router_init_std)
            : std::string("start the router's weight with a standard deviation of 0.02 and its bias at 0"));
  }
  void shape() {
    if (!is_shape_fixed()) return;
    add(concat("E = ", layer_.num_experts, " with K = ", layer_.top_k,
               " cannot be balanced: each token goes to every expert; use a smaller top_k or more experts"));
  }
  void learning_rate() {
    const std::string& rule = layer_.rule;
    const bool sudden = rule == "onset" || rule == "sudden-onset" || rule == "back-and-forth" ||
                        rule == "batch-collapse" || rule == "batch-uneven";
    if (sudden) add("the counts jump: halve the learning rate (or that of the router alone)");
  }

  void uneven() {
    balance_loss();
    start();
    shape();
    learning_rate();
    if (layer_.rule == "early-warning") add("look again 50 steps on: a balance loss undoes it, waiting seldom does");
    if (layer_.rule == "few-experts" && layer_.windows.front().verdict == Verdict::kCollapsed) {
      add("it has been so in every window: a router that starts ahead stays there; start again with the balance loss "
          "on");
    }
  }
  void sham() {
    if (is_shape_fixed()) return shape();
    add(o_.bias_balancing.value_or(true)
            ? "a selection bias evens counts, not weights: use the balance loss (aux_loss_coef 0.01 to 0.05), with the "
              "bias or in its place"
            : "let the balance loss (aux_loss_coef 0.01 to 0.05) move the probabilities");
    start();
    add("judge by validation loss: tokens moved by a bias pass through experts whose weight is near zero");
  }
  void drops() {
    add("raise capacity_factor, or 0 for no limit");
    if (layer_.num_experts > 1) balance_loss();
  }
  void untested() {
    const std::string& rule = layer_.rule;
    if (rule == "too-early") add("come back later in the run, or state the warm-up of this log (warmup, settle_steps)");
    if (rule == "too-few-tokens") add("widen the window or sum more steps in a line");
    if (rule == "sampled") add("sum the counts of every step and state num_steps");
    if (rule == "nothing-to-judge") {
      add("log mean_probs");
      shape();
    }
  }

  const LayerHealth& layer_;
  const HealthOptions& o_;
  std::vector<std::string> list_;
};

}  // namespace

std::vector<std::string> health_advice(const LayerHealth& layer, const HealthOptions& options) {
  return Advice(layer, options).list();
}

}  // namespace minimoe
