// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "comparison.hpp"
#include "machine.hpp"

namespace cli {

namespace {

using Row = std::vector<std::string>;

// Widths count characters, not bytes: "±" is two bytes.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string layout(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i]), ' ');
      text += i == 0 ? row[i] + padding : "  " + padding + row[i];
    }
    text += '\n';
  }
  return text;
}

std::string spread_text(const Figure& f, int decimals, double scale = 1) {
  if (!f.known) return "-";
  return fixed(f.spread.mean * scale, decimals) + " ± " + fixed(f.spread.std * scale, decimals);
}

// Counts of experts are small: each seed's stands there.
std::string counts_text(const Figure& f) {
  if (!f.known) return "-";
  std::string text;
  for (const double value : f.spread.values) text += (text.empty() ? "" : ", ") + fixed(value, 0);
  return text;
}

}  // namespace

std::string comparison_table(const Comparison& c) {
  std::vector<std::vector<Figure>> figures;
  for (const std::vector<Json>& results : c.results) figures.push_back(figures_of(results));
  std::vector<Row> rows;
  const auto add = [&](const std::string& name, auto&& cell) {
    Row row = {name};
    for (std::size_t v = 0; v < c.variants.size(); ++v) row.push_back(cell(v));
    rows.push_back(std::move(row));
  };
  const auto add_figure = [&](const std::string& name, const char* key, int decimals, double scale = 1) {
    add(name, [&](std::size_t v) { return spread_text(figure(figures[v], key), decimals, scale); });
  };
  const auto count_at = [&](std::size_t v, const char* which) {
    return count_text(c.variants[v].costs.at("parameters").at(which).get<std::uint64_t>());
  };
  add("", [&](std::size_t v) { return c.variants[v].title; });
  add("parameters, total", [&](std::size_t v) { return count_at(v, "total"); });
  add("parameters, active", [&](std::size_t v) { return count_at(v, "active"); });
  add("d_ff of dense blocks", [&](std::size_t v) { return c.variants[v].config.at("model").at("d_ff").dump(); });
  add_figure("train loss", "train_loss", 4);
  add_figure("val loss", "final_val_loss", 4);
  add_figure("val perplexity", "final_val_ppl", 3);
  for (const std::string split : {"train", "val"}) {
    const Json floor = c.floors.contains(split) ? c.floors.at(split) : Json();
    add("entropy floor (" + split + ")",
        [&](std::size_t) { return floor.is_number() ? fixed(floor.get<double>(), 4) : "-"; });
  }
  add("val loss - dense, paired", [&](std::size_t v) {
    if (v == 0) return std::string("-");
    const Spread s = paired_difference(c.results[v], c.results[0]);
    return (s.mean >= 0 ? "+" : "") + fixed(s.mean, 4) + " ± " + fixed(s.std, 4);
  });
  add_figure("probes right, val, %", "probe_accuracy_val", 1, 100);
  add_figure("  held-out verbs, %", "probe_accuracy_held_out_verbs", 1, 100);
  add_figure("  held-out combinations, %", "probe_accuracy_held_out_combinations", 1, 100);
  add_figure("wall time, s", "wall_time_s", 2);
  add_figure("CPU time, s", "cpu_time_s", 2);
  // Every layer has mean * E assignments, which turns the deviation of shares into one of assignments.
  const double num_experts = c.config.at("model").at("moe").at("num_experts").get<double>();
  add("load per expert, mean ± std", [&](std::size_t v) {
    const Figure &mean = figure(figures[v], "load_balance_mean"), &std = figure(figures[v], "load_balance_stddev");
    if (!mean.known) return std::string("-");
    return fixed(mean.spread.mean, 1) + " ± " + fixed(std.spread.mean * mean.spread.mean * num_experts, 1);
  });
  add("dead experts, by seed", [&](std::size_t v) { return counts_text(figure(figures[v], "experts_dead_count")); });
  add("cold experts, by seed", [&](std::size_t v) { return counts_text(figure(figures[v], "experts_cold_count")); });
  return layout(rows);
}

}  // namespace cli
