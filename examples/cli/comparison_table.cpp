// SPDX-License-Identifier: Apache-2.0
#include "comparison.hpp"
#include "machine.hpp"
#include "text_table.hpp"

namespace cli {

namespace {

// One seed has no deviation: " ± 0" would say that seeds agree.
std::string deviation(double std, std::size_t num_seeds, int decimals) {
  return num_seeds < 2 ? "" : " ± " + fixed(std, decimals);
}

std::string spread_text(const Figure& f, int decimals, double scale = 1) {
  if (!f.known) return "-";
  return fixed(f.spread.mean * scale, decimals) + deviation(f.spread.std * scale, f.spread.values.size(), decimals);
}

std::string signed_number(const Json& number) {
  const double value = number;
  return (value >= 0 ? "+" : "") + fixed(value, 4);
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
  std::vector<TextRow> rows;
  const auto add = [&](const std::string& name, auto&& cell) {
    TextRow row = {name};
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
  // The verdict's differences are MoE minus each dense model, so they stand below that model.
  const auto difference = [&](std::size_t v) -> const Json* {
    const Json& differences = c.verdict.at("differences");
    const auto at = differences.find("moe_variant_minus_" + c.variants[v].key);
    return at == differences.end() ? nullptr : &*at;
  };
  add("val loss: moe - this, paired", [&](std::size_t v) {
    const Json* d = difference(v);
    return d ? signed_number(d->at("mean")) + deviation(d->at("std"), c.seeds.size(), 4) : std::string("-");
  });
  add("  95 % interval", [&](std::size_t v) {
    const Json* d = difference(v);
    if (!d || d->at("low").is_null()) return std::string("-");
    return signed_number(d->at("low")) + " .. " + signed_number(d->at("high"));
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
  return text_table(rows);
}

std::string verdict_lines(const Json& verdict) {
  std::string text =
      "verdict: " + verdict.at("verdict").get<std::string>() + " (" + verdict.at("rule").get<std::string>() + ")\n";
  for (const Json& reason : verdict.at("reasons")) text += "  " + reason.get<std::string>() + "\n";
  return text;
}

}  // namespace cli
