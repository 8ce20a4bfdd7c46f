// SPDX-License-Identifier: Apache-2.0
#include "analysis/break_signals.hpp"

#include "analysis/number_text.hpp"

namespace minimoe {
namespace {

constexpr double kAuxLossLimit = 1.1, kEvenShare = 0.85, kGateShare = 0.6, kDropRate = 0.05;

template <class Says>
std::optional<std::int64_t> first_window(const std::vector<RouterWindow>& windows, Says&& says) {
  for (std::size_t i = 0; i < windows.size(); ++i) {
    if (says(i)) return windows[i].last_step;
  }
  return std::nullopt;
}

std::optional<std::int64_t> first_verdict(const LabRun& run) {
  for (const JudgedWindow& window : run.judged) {
    if (window.verdict != "healthy" && window.verdict != "untested") return window.last_step;
  }
  return std::nullopt;
}

std::optional<std::int64_t> first_silent_gradient(const LabRun& run) {
  for (const GradientSample& sample : run.samples) {
    for (const double norm : sample.main_norms) {
      if (norm == 0) return sample.step;
    }
  }
  return std::nullopt;
}

std::string beside(const std::string& broken, const std::string& healthy) {
  return broken + " (healthy twin " + healthy + ")";
}

std::string counts_text(const RouterWindow& window) {
  return fixed_text(window.effective_share, 2) + " E, " + std::to_string(window.num_cold) + " cold";
}

std::string gate_text(const RouterWindow& window) { return fixed_text(window.gate_mass_share, 2) + " E"; }
std::string drop_text(const RouterWindow& window) { return fixed_text(100 * window.drop_rate, 1) + " %"; }

std::string gradient_text(const LabRun& run) {
  const std::optional<double> norm = last_main_gradient(run);
  return norm ? fixed_text(*norm, 5) : "-";
}

}  // namespace

std::optional<double> last_main_gradient(const LabRun& run) {
  for (auto sample = run.samples.rbegin(); sample != run.samples.rend(); ++sample) {
    if (!sample->main_norms.empty()) return sample->main_norms.front();
  }
  return std::nullopt;
}

std::optional<std::int64_t> healthy_from(const LabRun& run) {
  std::optional<std::int64_t> from;
  for (const JudgedWindow& window : run.judged) {
    if (window.verdict != "healthy") {
      from.reset();
    } else if (!from) {
      from = window.last_step;
    }
  }
  return from;
}

std::optional<std::int64_t> even_from(const LabRun& run) {
  std::optional<std::int64_t> from;
  for (const RouterWindow& w : run.windows) {
    const bool even = w.effective_share >= kEvenShare && w.num_cold == 0 && w.gate_mass_share >= kGateShare &&
                      w.drop_rate <= kDropRate;
    if (!even) {
      from.reset();
    } else if (!from) {
      from = w.last_step;
    }
  }
  return from;
}

std::vector<BreakSignal> break_signals(const BreakRuns& runs) {
  const LabRun &broken = runs.broken, &healthy = runs.healthy;
  const std::vector<RouterWindow>& w = broken.windows;
  const RouterWindow &b = w.back(), &h = healthy.windows.back();
  const bool is_worse = broken.val_loss - runs.dense.val_loss > kWorseThanDense;
  return {{"main loss", "2 % above the healthy twin's",
           first_window(w, [&](std::size_t i) { return !(w[i].loss <= kFineLossFactor * healthy.windows[i].loss); }),
           beside(fixed_text(b.loss, 3), fixed_text(h.loss, 3))},
          {"aux loss", "above 1.1", first_window(w, [&](std::size_t i) { return w[i].aux_loss > kAuxLossLimit; }),
           beside(fixed_text(b.aux_loss, 3), fixed_text(h.aux_loss, 3))},
          {"expert counts", "effective experts below 0.85 E, or an expert below 0.1 of the mean",
           first_window(w, [&](std::size_t i) { return w[i].effective_share < kEvenShare || w[i].num_cold > 0; }),
           beside("effective experts " + counts_text(b), counts_text(h))},
          {"gate mass", "effective experts of the mean probabilities below 0.6 E",
           first_window(w, [&](std::size_t i) { return w[i].gate_mass_share < kGateShare; }),
           beside(gate_text(b), gate_text(h))},
          {"drop rate", "above 5 %", first_window(w, [&](std::size_t i) { return w[i].drop_rate > kDropRate; }),
           beside(drop_text(b), drop_text(h))},
          {"router gradient", "the main loss has none for the router", first_silent_gradient(broken),
           beside(gradient_text(broken), gradient_text(healthy))},
          {"health verdict", "not healthy", first_verdict(broken), beside(*broken.verdict, *healthy.verdict)},
          {"validation loss", "0.01 above the dense twin's at the end",
           is_worse ? std::optional(b.last_step) : std::nullopt,
           fixed_text(broken.val_loss, 4) + " (healthy twin " + fixed_text(healthy.val_loss, 4) + ", dense " +
               fixed_text(runs.dense.val_loss, 4) + ")"}};
}

}  // namespace minimoe
