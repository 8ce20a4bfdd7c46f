// SPDX-License-Identifier: Apache-2.0
#include "break_signals.hpp"

#include "machine.hpp"
#include "text_table.hpp"

namespace cli {

namespace {

constexpr double kMainLossFactor = 1.02, kAuxLossLimit = 1.1, kEvenShare = 0.85, kGateShare = 0.6, kDropRate = 0.05;

template <class Says>
std::optional<std::int64_t> first(const std::vector<RouterWindow>& windows, Says&& says) {
  for (std::size_t i = 0; i < windows.size(); ++i) {
    if (says(i)) return windows[i].last_step;
  }
  return std::nullopt;
}

std::optional<std::int64_t> first_verdict(const LabRun& run) {
  for (const Json& window : deciding_windows(run.health)) {
    const std::string verdict = window.at("verdict");
    if (verdict != "healthy" && verdict != "untested") return window.at("last_step").get<std::int64_t>();
  }
  return std::nullopt;
}

std::optional<std::int64_t> first_silent_gradient(const LabRun& run) {
  for (const Json& line : run.lines) {
    if (!line.contains("interference")) continue;
    for (const Json& layer : line.at("interference")) {
      if (layer.at("main_norm") == 0.0) return line.at("step").get<std::int64_t>();
    }
  }
  return std::nullopt;
}

std::string beside(const std::string& broken, const std::string& healthy) {
  return broken + " (healthy twin " + healthy + ")";
}

}  // namespace

std::string number_text(const std::optional<double>& value, int decimals) {
  return value ? fixed(*value, decimals) : "-";
}

std::optional<double> last_main_gradient(const LabRun& run) {
  for (auto line = run.lines.rbegin(); line != run.lines.rend(); ++line) {
    if (line->contains("interference") && !line->at("interference").empty()) {
      return line->at("interference").front().at("main_norm").get<double>();
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> healthy_from(const LabRun& run) {
  std::optional<std::int64_t> from;
  for (const Json& window : deciding_windows(run.health)) {
    if (window.at("verdict") != "healthy") {
      from.reset();
    } else if (!from) {
      from = window.at("last_step").get<std::int64_t>();
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
  const LabRun &broken = *runs.broken, &healthy = *runs.healthy;
  const std::vector<RouterWindow>& w = broken.windows;
  const RouterWindow &b = w.back(), &h = healthy.windows.back();
  const double to_dense = broken.val_loss() - runs.dense->val_loss();
  std::vector<BreakSignal> signals = {
      {"main loss", "2 % above the healthy twin's",
       first(w, [&](std::size_t i) { return !(w[i].loss <= kMainLossFactor * healthy.windows.at(i).loss); }),
       beside(fixed(b.loss, 3), fixed(h.loss, 3))},
      {"aux loss", "above 1.1", first(w, [&](std::size_t i) { return w[i].aux_loss > kAuxLossLimit; }),
       beside(fixed(b.aux_loss, 3), fixed(h.aux_loss, 3))},
      {"expert counts", "effective experts below 0.85 E, or an expert below 0.1 of the mean",
       first(w, [&](std::size_t i) { return w[i].effective_share < kEvenShare || w[i].num_cold > 0; }),
       beside("effective experts " + fixed(b.effective_share, 2) + " E, " + std::to_string(b.num_cold) + " cold",
              fixed(h.effective_share, 2) + " E, " + std::to_string(h.num_cold) + " cold")},
      {"gate mass", "effective experts of the mean probabilities below 0.6 E",
       first(w, [&](std::size_t i) { return w[i].gate_mass_share < kGateShare; }),
       beside(fixed(b.gate_mass_share, 2) + " E", fixed(h.gate_mass_share, 2) + " E")},
      {"drop rate", "above 5 %", first(w, [&](std::size_t i) { return w[i].drop_rate > kDropRate; }),
       beside(fixed(100 * b.drop_rate, 1) + " %", fixed(100 * h.drop_rate, 1) + " %")},
      {"router gradient", "the main loss has none for the router", first_silent_gradient(broken),
       beside(number_text(last_main_gradient(broken), 5), number_text(last_main_gradient(healthy), 5))},
      {"health verdict", "not healthy", first_verdict(broken), beside(broken.verdict(), healthy.verdict())}};
  signals.push_back({"validation loss", "0.01 above the dense twin's at the end",
                     to_dense > 0.01 ? std::optional(b.last_step) : std::nullopt,
                     fixed(broken.val_loss(), 4) + " (healthy twin " + fixed(healthy.val_loss(), 4) + ", dense " +
                         fixed(runs.dense->val_loss(), 4) + ")"});
  return signals;
}

std::string signal_table(const BreakRuns& runs) {
  std::vector<TextRow> rows = {{"steps", "main loss", "aux loss", "largest share", "effective/E", "gate mass/E", "cold",
                                "dropped %", "verdict"}};
  for (std::size_t i = 0; i < runs.broken->windows.size() && i < runs.healthy->windows.size(); ++i) {
    const RouterWindow &b = runs.broken->windows[i], &h = runs.healthy->windows[i];
    const auto both = [](double broken, double healthy, int decimals) {
      return fixed(broken, decimals) + " / " + fixed(healthy, decimals);
    };
    const auto verdict_of = [](const LabRun& run, std::int64_t step) {
      const std::string verdict = run.verdict_at(step);
      return verdict.empty() ? std::string("-") : verdict;
    };
    rows.push_back({std::to_string(b.first_step) + "-" + std::to_string(b.last_step), both(b.loss, h.loss, 3),
                    both(b.aux_loss, h.aux_loss, 3), both(b.largest_share, h.largest_share, 2),
                    both(b.effective_share, h.effective_share, 2), both(b.gate_mass_share, h.gate_mass_share, 2),
                    std::to_string(b.num_cold) + " / " + std::to_string(h.num_cold),
                    both(100 * b.drop_rate, 100 * h.drop_rate, 1),
                    verdict_of(*runs.broken, b.last_step) + " / " + verdict_of(*runs.healthy, h.last_step)});
  }
  return text_table(rows);
}

}  // namespace cli
