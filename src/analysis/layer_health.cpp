// SPDX-License-Identifier: Apache-2.0
#include "analysis/layer_health.hpp"

#include <algorithm>

#include "analysis/number_text.hpp"
#include "analysis/window_verdict.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

using Entries = std::span<const RouterLogEntry>;

constexpr std::size_t kParts = 5;         // of a window, to see what began inside it
constexpr std::size_t kTrendWindows = 4;  // at most; three at least
constexpr double kWindowsAhead = 3;       // at the present pace
constexpr std::size_t kFlipWindows = 5;   // back and forth: at least two changes among so many
constexpr std::int64_t kEarlySteps = 10;  // an early warning looks at the last of these
constexpr double kSampled = 0.5;          // a log that holds less of its steps is a sample

ExpertLimits expert_limits(const HealthOptions& o) { return {o.cold_below, o.hot_above}; }

bool is_bad(Verdict verdict) { return verdict > Verdict::kUntested; }

// The entries whose step is above `after`.
Entries later_than(Entries entries, std::int64_t after) {
  const auto first = std::partition_point(entries.begin(), entries.end(),
                                          [&](const RouterLogEntry& entry) { return entry.step <= after; });
  return entries.subspan(static_cast<std::size_t>(first - entries.begin()));
}

// The entries whose first step is above `after`.
Entries begun_after(Entries entries, std::int64_t after) {
  const auto first = std::partition_point(entries.begin(), entries.end(), [&](const RouterLogEntry& entry) {
    return entry.step - entry.num_steps < after;
  });
  return entries.subspan(static_cast<std::size_t>(first - entries.begin()));
}

// The last `wanted` of kParts parts of the window by steps.
Entries last_parts(Entries window, std::int64_t window_steps, std::int64_t wanted) {
  const std::int64_t steps = std::max<std::int64_t>(1, window_steps * wanted / static_cast<std::int64_t>(kParts));
  return later_than(window, window.back().step - steps);
}

// The window as a whole may still look even when the end of it no longer is.
Judgement judge_window(Entries window, std::size_t top_k, const RoutingFigures& figures, const HealthOptions& o) {
  Judgement whole = judge_figures(figures, o);
  if (whole.verdict >= Verdict::kSham || window.size() < kParts) return whole;
  for (const std::int64_t parts : {2, 1}) {
    const Entries part = last_parts(window, o.window, parts);
    const Judgement end = judge_figures(routing_figures(part, top_k, expert_limits(o)), o);
    if (end.verdict < Verdict::kSham) continue;
    const Verdict verdict = parts == 2 ? end.verdict : Verdict::kAtRisk;
    return {verdict, parts == 2 ? "onset" : "sudden-onset",
            concat("since step ", part.front().step - part.front().num_steps + 1, " ", verdict_name(end.verdict), " (",
                   end.reason, "); the window as a whole: ", whole.reason)};
  }
  return whole;
}

// Distance to collapse: the smaller of those of counts and gate mass.
double margin(const RoutingFigures& f) { return f.has_gate ? std::min(f.distance, f.gate_distance) : f.distance; }

class LayerCheck {
 public:
  LayerCheck(const RouterLayerLog& log, const HealthOptions& options) : log_(log), o_(options) {}

  LayerHealth check() {
    result_.layer = log_.layer;
    result_.block = log_.block;
    result_.num_experts = log_.num_experts;
    result_.top_k = log_.top_k;
    cut_windows();
    decide();
    result_.figures = result_.windows.back().figures;
    add_findings();
    return std::move(result_);
  }

 private:
  // From the last line backwards; what lies before the end of the warm-up is left out, and so is a line that sums steps
  // on both sides of it, unless there is nothing else.
  void cut_windows() {
    Entries left(log_.entries);
    if (const Entries after = begun_after(left, o_.warmup); !after.empty()) left = after;
    while (!left.empty()) {
      const Entries window = later_than(left, left.back().step - o_.window);
      WindowHealth judged;
      judged.figures = routing_figures(window, log_.top_k, expert_limits(o_));
      if (window.back().step < o_.warmup + o_.settle_steps) {
        judged.rule = "too-early";
        judged.reason = concat("step ", window.back().step, "; the first verdict comes ", o_.settle_steps,
                               " steps after a warm-up of ", o_.warmup);
      } else if (judged.figures.first_step <= o_.warmup) {
        judged.rule = "too-early";
        judged.reason = concat("the line of step ", window.back().step, " begins at step ", judged.figures.first_step,
                               ", within the warm-up of ", o_.warmup);
      } else {
        Judgement judgement = judge_window(window, log_.top_k, judged.figures, o_);
        judged.verdict = judgement.verdict;
        judged.rule = std::move(judgement.rule);
        judged.reason = std::move(judgement.reason);
      }
      result_.windows.push_back(std::move(judged));
      left = left.first(left.size() - window.size());
    }
    std::reverse(result_.windows.begin(), result_.windows.end());
  }

  void take(Judgement judgement) {
    result_.verdict = judgement.verdict;
    result_.rule = std::move(judgement.rule);
    result_.reason = std::move(judgement.reason);
  }

  void decide() {
    const WindowHealth& last = result_.windows.back();
    take({last.verdict, last.rule, last.reason});
    if (last.rule == "too-early") return early_warning();
    if (last.verdict > Verdict::kSkewed || last.verdict == Verdict::kUntested) return;
    if (sampled()) return;
    if (falling()) return;
    if (last.verdict == Verdict::kHealthy) back_and_forth();
  }

  // One expert ahead is often gone by itself some steps later; with the gate mass behind it, it seldom is.
  void early_warning() {
    const std::int64_t step = log_.entries.back().step;
    if (step < o_.warmup || step >= o_.warmup + o_.settle_steps) return;
    const Entries end = later_than(log_.entries, log_.entries.back().step - kEarlySteps);
    const RoutingFigures f = routing_figures(end, log_.top_k, expert_limits(o_));
    const bool by_gate = f.has_gate && f.gate_distance < o_.collapsed_below;
    if (!by_gate || f.counts.max_share < o_.early_share_above || f.chance > o_.chance_above) return;
    take({Verdict::kAtRisk, "early-warning",
          concat("soon after the warm-up an expert has max_share ", fixed_text(f.counts.max_share, 2),
                 " of the tokens (limit ", o_.early_share_above, ") and the gate mass is spread like ",
                 fixed_text(f.gate_effective_experts, 1), " of ", f.num_experts,
                 " experts: seldom undone without a balance loss")});
  }

  // One step in ten of a bias that flips each step shows the flips, not the balance.
  bool sampled() {
    const WindowHealth& last = result_.windows.back();
    const RoutingFigures& f = last.figures;
    if (last.verdict != Verdict::kSkewed || coverage(f) >= kSampled) return false;
    if (!f.has_gate || f.gate_distance < o_.skewed_below || f.counts.num_dead > 0 || last.rule == "drops") return false;
    take({Verdict::kUntested, "sampled",
          concat("the log holds ", f.num_steps, " of ", f.last_step - f.first_step + 1,
                 " steps; their counts are uneven (", last.reason,
                 ") but the gate mass is even: sum the counts of all ", "steps in each line")});
    return true;
  }

  static double coverage(const RoutingFigures& f) {
    return static_cast<double>(f.num_steps) / static_cast<double>(f.last_step - f.first_step + 1);
  }

  bool falling() {
    std::vector<double> margins;
    for (const WindowHealth& window : result_.windows) {
      if (window.rule != "too-early") margins.push_back(margin(window.figures));
    }
    if (margins.size() > kTrendWindows) margins.erase(margins.begin(), margins.end() - kTrendWindows);
    if (margins.size() < 3 || !std::is_sorted(margins.rbegin(), margins.rend())) return false;
    const double lost = margins.front() - margins.back();
    const double pace = std::max(lost / static_cast<double>(margins.size() - 1), margins.end()[-2] - margins.back());
    const double ahead = margins.back() - kWindowsAhead * pace;
    if (lost < o_.falling_above || ahead > o_.collapsed_below) return false;
    take({Verdict::kAtRisk, "falling",
          concat("the distance from collapse fell from ", fixed_text(margins.front(), 2), " to ",
                 fixed_text(margins.back(), 2), " over the last ", margins.size(), " windows (limit of collapse ",
                 o_.collapsed_below, "); now: ", result_.reason)});
    return true;
  }

  void back_and_forth() {
    const std::size_t count = std::min(kFlipWindows, result_.windows.size());
    const std::span<const WindowHealth> recent = std::span(result_.windows).last(count);
    std::size_t changes = 0, bad = 0;
    for (std::size_t i = 0; i < count; ++i) {
      bad += is_bad(recent[i].verdict);
      changes += i > 0 && is_bad(recent[i].verdict) != is_bad(recent[i - 1].verdict);
    }
    if (changes < 2 || bad == 0) return;
    take({Verdict::kAtRisk, "back-and-forth",
          concat("of the last ", count, " windows ", bad, " were not healthy, with ", changes,
                 " changes; now: ", result_.reason)});
  }

  void note(std::string text) { result_.findings.push_back(std::move(text)); }

  void add_findings() {
    const RoutingFigures& f = result_.figures;
    if (!f.has_gate) {
      note(
          "the log has no mean_probs: sham balance, counts made even while the gate mass is not, cannot be told from "
          "health");
    } else if (!f.has_probs) {
      note("the log has no mean_probs: the gate mass is that of the combine weights (gate_weight_share)");
    }
    if (log_.num_left_out > 0) {
      note(concat("the log is long: its last ", log_.entries.size(), " lines of the layer are judged, ",
                  log_.num_left_out, " before them were only read"));
    }
    if (!f.drop_rate) note("the log has no num_dropped: drops by capacity are not judged");
    if (!f.is_batch_exact && f.top_k < f.num_experts) {
      note("lines sum several steps without max_violation_batch: what single batches did is a lower bound");
    }
    if (coverage(f) < kSampled) {
      note(concat("the log holds ", f.num_steps, " of the ", f.last_step - f.first_step + 1,
                  " steps of the window; a line should sum its interval (num_steps)"));
    }
    if (f.top_k == f.num_experts && f.num_experts > 1) {
      note("top_k = num_experts: counts are even whatever the router does; only the gate mass is judged");
    } else if (f.num_experts == 2) {
      note("with two experts, one half-used one is the whole balance: read the shares, not the counts of experts");
    }
    add_disagreement();
    if (result_.verdict >= Verdict::kSkewed && f.aux_loss && *f.aux_loss < 1.4 && f.top_k < f.num_experts) {
      note(concat("aux_loss is ", fixed_text(*f.aux_loss, 2),
                  ", as in a balanced router: it is a force, not a detector"));
    }
    add_history();
  }

  void add_disagreement() {
    const RoutingFigures& f = result_.figures;
    if (!f.has_gate) return;
    const ExpertHealth &probs = f.from_probabilities, &counts = f.from_assignments;
    if (probs.cold_count == counts.cold_count && probs.hot_count == counts.hot_count) return;
    note(concat("probabilities and assignments disagree: ", probs.cold_count, " cold and ", probs.hot_count,
                " hot by probabilities, ", counts.cold_count, " cold and ", counts.hot_count, " hot by assignments"));
  }

  void add_history() {
    const auto bad = std::find_if(result_.windows.rbegin(), result_.windows.rend(),
                                  [](const WindowHealth& window) { return window.verdict >= Verdict::kSham; });
    if (result_.verdict == Verdict::kHealthy && bad != result_.windows.rend()) {
      note(concat("recovered: ", verdict_name(bad->verdict), " until step ", bad->figures.last_step));
    }
    const RouterLogEntry& first = log_.num_left_out > 0 ? log_.first : log_.entries.front();
    const RoutingFigures start = routing_figures(std::span(&first, 1), log_.top_k);
    const RoutingFigures& now = result_.figures;
    const bool biased = (now.bias_min && now.bias_max && *now.bias_max > *now.bias_min) ||
                        o_.bias_balancing.value_or(false) || result_.verdict == Verdict::kSham;
    if (biased && start.has_gate && start.gate_distance < o_.gate_collapsed_below && now.distance > start.distance) {
      note(concat("saturated start: the first line (step ", start.last_step, ") has its gate mass on ",
                  fixed_text(start.gate_effective_experts, 1), " of ", start.num_experts,
                  " experts; a selection bias evens counts from there without moving the weight"));
    }
  }

  const RouterLayerLog& log_;
  const HealthOptions& o_;
  LayerHealth result_;
};

}  // namespace

LayerHealth check_layer(const RouterLayerLog& log, const HealthOptions& options) {
  return LayerCheck(log, options).check();
}

}  // namespace minimoe
