// SPDX-License-Identifier: Apache-2.0
#include "analysis/window_verdict.hpp"

#include <algorithm>

#include "analysis/number_text.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

// Where top_k is more than half of the experts, even a total preference changes what each expert gets by less than two:
// skewed at most.
constexpr double kChoiceMatters = 0.5;
// An unevenness that is large in the scale of top_k, but small in tokens, is not worth a word.
constexpr double kLeastViolation = 0.5;

std::size_t most_loaded(const RoutingFigures& f) {
  return static_cast<std::size_t>(std::max_element(f.load.begin(), f.load.end()) - f.load.begin());
}

std::string n_of_e(const RoutingFigures& f) {
  return concat(fixed_text(f.counts.effective_experts, 1), " of ", f.num_experts, " experts in effect");
}

// Of all tokens, how many choose the most loaded expert.
double chosen_by(const RoutingFigures& f) {
  return static_cast<double>(f.load[most_loaded(f)]) / static_cast<double>(f.num_tokens);
}

class Judge {
 public:
  Judge(const RoutingFigures& figures, const HealthOptions& options) : f_(figures), o_(options) {}

  Judgement judge() const {
    if (f_.num_experts == 1) {
      if (const Judgement found = drops(); is_bad(found)) return found;
      return {Verdict::kHealthy, "one-expert", "with one expert there is no choice to judge"};
    }
    if (const Judgement found = collapse(); is_bad(found)) return unless_chance(found);
    if (const Judgement found = batch_collapse(); is_bad(found)) return found;
    if (const Judgement found = sham(); is_bad(found)) return unless_short(found);
    if (const Judgement found = cold(); is_bad(found)) return unless_chance(found);
    if (const Judgement found = uneven(); is_bad(found)) return unless_chance(found);
    if (const Judgement found = batch_skew(); is_bad(found)) return found;
    if (const Judgement found = drops(); is_bad(found)) return unless_short(found);
    return unless_short(nothing_found());
  }

 private:
  static Judgement none() { return {}; }
  static bool is_bad(const Judgement& judgement) { return judgement.verdict != Verdict::kHealthy; }

  Judgement collapse() const {
    if (f_.top_k == f_.num_experts) return none();
    if (f_.distance < o_.collapsed_below) {
      return {Verdict::kCollapsed, "few-experts",
              concat(n_of_e(f_), ": at distance ", fixed_text(f_.distance, 2), " from all tokens on the same ",
                     f_.top_k, " (limit ", o_.collapsed_below, "); expert ", most_loaded(f_), " is chosen by ",
                     percent_text(chosen_by(f_)), " of the tokens")};
    }
    if (f_.counts.max_share < o_.always_chosen_above) return none();
    return {choice_matters() ? Verdict::kCollapsed : Verdict::kSkewed, "always-chosen",
            concat("expert ", most_loaded(f_), " is chosen by ", percent_text(chosen_by(f_)),
                   " of the tokens (max_share ", fixed_text(f_.counts.max_share, 2), ", limit ", o_.always_chosen_above,
                   "), though ", n_of_e(f_), " look even")};
  }

  // The window may be even because each batch goes somewhere else.
  Judgement batch_collapse() const {
    if (f_.top_k == f_.num_experts || f_.max_share_batch < o_.always_chosen_above) return none();
    if (f_.max_violation_batch <= 2 * f_.chance_violation) return none();  // a batch of one token is no evidence
    return {choice_matters() ? Verdict::kCollapsed : Verdict::kSkewed, "batch-collapse",
            concat("each step by itself sends nearly all tokens to the same expert (max_violation of a batch ",
                   fixed_text(f_.max_violation_batch, 2), " of at most ", fixed_text(most_violation(), 2),
                   "), a different one each time: the window looks like ", n_of_e(f_))};
  }

  Judgement sham() const {
    if (!f_.has_gate) return none();
    const bool is_concentrated = f_.gate_distance < o_.gate_collapsed_below && f_.gate_distance < f_.distance;
    const bool is_beyond_counts =
        f_.gate_excess > o_.gate_excess_above ||
        (f_.gate_gap > o_.gate_gap_above && f_.gate_effective_experts < f_.counts.effective_experts);
    if (!is_concentrated && !is_beyond_counts) return none();
    const std::string counts = f_.top_k == f_.num_experts ? "each token goes to every expert, so counts say nothing"
                                                          : concat("counts look like ", n_of_e(f_));
    return {Verdict::kSham, "gate-mass",
            concat(counts, ", the ", f_.has_probs ? "router probability" : "combine weight", " like ",
                   fixed_text(f_.gate_effective_experts, 1), ": expert ", f_.gate_excess_expert, " has ",
                   percent_text(gate_of(f_.gate_excess_expert)), " of it and ",
                   percent_text(f_.counts.utilisation[f_.gate_excess_expert] / static_cast<double>(f_.num_experts)),
                   " of the assignments")};
  }

  Judgement cold() const {
    if (f_.cold.empty()) return none();
    return {Verdict::kSkewed, "cold-experts",
            concat(experts_text(f_.cold), f_.cold.size() == 1 ? " gets" : " get", " less than ", o_.cold_below,
                   " of an even share (", f_.dead.size(), " dead); ", n_of_e(f_))};
  }

  Judgement uneven() const {
    if (f_.top_k == f_.num_experts) return none();
    if (f_.distance < o_.skewed_below) {
      return {Verdict::kSkewed, "uneven",
              concat(n_of_e(f_), " (distance ", fixed_text(f_.distance, 2), ", limit ", o_.skewed_below, ")")};
    }
    const bool is_often = f_.counts.max_share > o_.often_chosen_above && f_.counts.max_violation > kLeastViolation;
    if (f_.counts.max_violation <= o_.overloaded_above && !is_often) return none();
    return {Verdict::kSkewed, "overloaded",
            concat("expert ", most_loaded(f_), " gets ", fixed_text(1 + f_.counts.max_violation, 1),
                   " times an even share, ", percent_text(chosen_by(f_)), " of the tokens choose it; ", n_of_e(f_))};
  }

  Judgement batch_skew() const {
    if (f_.top_k == f_.num_experts) return none();
    const double beyond_chance = f_.max_violation_batch - 2 * f_.chance_violation;
    const bool is_often = beyond_chance / most_violation() > o_.often_chosen_above && beyond_chance > kLeastViolation;
    if (beyond_chance <= o_.overloaded_above && !is_often) return none();
    return {Verdict::kSkewed, "batch-uneven",
            concat("the average batch sends its fullest expert ", fixed_text(1 + f_.max_violation_batch, 1),
                   " times an even share (window: ", fixed_text(1 + f_.counts.max_violation, 1), ")")};
  }

  Judgement drops() const {
    if (!f_.drop_rate || *f_.drop_rate <= o_.drop_rate_above) return none();
    return {Verdict::kSkewed, "drops",
            concat(percent_text(*f_.drop_rate), " of the assignments dropped by capacity (limit ",
                   percent_text(o_.drop_rate_above), ")")};
  }

  Judgement nothing_found() const {
    if (f_.top_k == f_.num_experts) {
      if (!f_.has_gate) {
        return {Verdict::kUntested, "nothing-to-judge",
                "each token goes to every expert, so counts are always even, and the log has no mean_probs"};
      }
      return {Verdict::kHealthy, "even",
              concat("each token goes to every expert; the router probability is spread like ",
                     fixed_text(f_.gate_effective_experts, 1), " of ", f_.num_experts)};
    }
    const std::string gate = f_.has_gate ? concat("gate mass like ", fixed_text(f_.gate_effective_experts, 1))
                                         : std::string("by counts alone, the log has no mean_probs");
    return {Verdict::kHealthy, "even",
            concat(n_of_e(f_), ", ", gate, "; the fullest gets ", fixed_text(1 + f_.counts.max_violation, 2),
                   " times an even share, no expert is cold")};
  }

  Judgement unless_chance(const Judgement& found) const {
    if (f_.chance <= o_.chance_above) return found;
    return {Verdict::kUntested, "too-few-tokens",
            concat(f_.num_tokens, " tokens: a fair router looks as uneven with a probability of up to ",
                   chance_text(f_.chance), " (limit ", chance_text(o_.chance_above), ")")};
  }
  Judgement unless_short(const Judgement& found) const {
    if (f_.chance_of_missing <= o_.chance_above) return found;
    return {Verdict::kUntested, "too-few-tokens",
            concat(f_.num_tokens, " tokens: a fair router misses an expert with a probability of about ",
                   chance_text(f_.chance_of_missing), " (limit ", chance_text(o_.chance_above), ")")};
  }

  bool choice_matters() const {
    return static_cast<double>(f_.top_k) <= kChoiceMatters * static_cast<double>(f_.num_experts);
  }
  double most_violation() const { return static_cast<double>(f_.num_experts) / static_cast<double>(f_.top_k) - 1; }
  double gate_of(std::size_t expert) const {
    return f_.has_probs ? f_.mean_probs[expert] : f_.gate_weight_share[expert];
  }

  const RoutingFigures& f_;
  const HealthOptions& o_;
};

}  // namespace

Judgement judge_figures(const RoutingFigures& figures, const HealthOptions& options) {
  return Judge(figures, options).judge();
}

}  // namespace minimoe
