// SPDX-License-Identifier: Apache-2.0
#include "balance_report.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "library.hpp"
#include "machine.hpp"
#include "statistics.hpp"
#include "text_table.hpp"

namespace cli {

namespace {

using Value = std::optional<double>;
using ValueOf = std::function<Value(const BalancedRun&)>;

Value number_in(const Json& json, const char* key) {
  return json.contains(key) && json.at(key).is_number() ? Value(json.at(key).get<double>()) : std::nullopt;
}

Value probe_accuracy(const BalancedRun& run) {
  const Json& probes = run.result.at("splits").at("val").at("probes");
  return probes.is_object() ? number_in(probes, "accuracy") : std::nullopt;
}

// The mean over samples and MoE layers after step `from`.
Value mean_interference(const BalancedRun& run, const char* key, std::int64_t from) {
  double sum = 0;
  std::size_t count = 0;
  for (const Json& sample : run.findings.at("interference")) {
    if (sample.at("step").get<std::int64_t>() < from) continue;
    for (const Json& layer : sample.at("layers")) {
      const Value value = number_in(layer, key);
      if (!value) continue;
      sum += *value;
      ++count;
    }
  }
  return count == 0 ? std::nullopt : Value(sum / static_cast<double>(count));
}

std::vector<Value> values_of(const std::vector<BalancedRun>& runs, const ValueOf& value_of) {
  std::vector<Value> values;
  values.reserve(runs.size());
  for (const BalancedRun& run : runs) values.push_back(value_of(run));
  return values;
}

Json spread_or_null(const std::vector<Value>& values) {
  std::vector<double> known;
  for (const Value& value : values) {
    if (!value) return nullptr;
    known.push_back(*value);
  }
  return spread_json(spread_of(known));
}

std::string cell(const std::vector<BalancedRun>& runs, int decimals, const ValueOf& value_of, double scale = 1) {
  const Json spread = spread_or_null(values_of(runs, value_of));
  if (spread.is_null()) return "-";
  const std::string mean = fixed(scale * spread.at("mean").get<double>(), decimals);
  return runs.size() == 1 ? mean : mean + " ± " + fixed(scale * spread.at("std").get<double>(), decimals);
}

std::string verdicts(const std::vector<BalancedRun>& runs) {
  std::string text;
  for (const BalancedRun& run : runs)
    text += (text.empty() ? "" : ", ") + run.findings.at("verdict").get<std::string>();
  return text;
}

// Some of the windows, the first and the last among them.
std::vector<std::size_t> shown_windows(std::size_t count) {
  constexpr std::size_t kMost = 5;
  std::vector<std::size_t> shown;
  for (std::size_t i = 0; i < std::min(count, kMost); ++i) {
    shown.push_back(count <= kMost ? i : i * (count - 1) / (kMost - 1));
  }
  return shown;
}

const Json& windows_of(const BalancedRun& run) { return run.findings.at("windows"); }

std::int64_t half_of(const BalancedRun& run) { return windows_of(run).back().at("last_step").get<std::int64_t>() / 2; }

Value in_last_window(const BalancedRun& run, const char* key) { return number_in(windows_of(run).back(), key); }

// Losses of the same seed are paired: all balancers have the same start and batches.
Value against_first(const BalanceResult& result, std::size_t balancer, std::size_t seed) {
  return result.runs[balancer][seed].val_loss() - result.runs.front()[seed].val_loss();
}

}  // namespace

std::string balance_text(const BalanceResult& result) {
  std::vector<TextRow> rows = {{""}};
  for (const Balancer& balancer : result.balancers) rows.front().push_back(balancer.name);
  const auto add = [&](const std::string& name, int decimals, const ValueOf& value_of, double scale = 1) {
    TextRow row = {name};
    for (const std::vector<BalancedRun>& runs : result.runs) row.push_back(cell(runs, decimals, value_of, scale));
    rows.push_back(std::move(row));
  };
  const Json& windows = windows_of(result.runs.front().front());
  for (const std::size_t i : shown_windows(windows.size())) {
    add("MaxVio, steps " + windows[i].at("first_step").dump() + " to " + windows[i].at("last_step").dump(), 3,
        [i](const BalancedRun& run) { return number_in(windows_of(run).at(i), "max_violation"); });
  }
  add("effective experts / E, last window", 3,
      [](const BalancedRun& run) { return in_last_window(run, "effective_share"); });
  add("gate mass / E, last window", 3, [](const BalancedRun& run) { return in_last_window(run, "gate_mass_share"); });
  add("val loss", 4, [](const BalancedRun& run) { return Value(run.val_loss()); });
  TextRow differences = {"val loss - " + result.balancers.front().name + ", paired"};
  for (std::size_t b = 0; b < result.runs.size(); ++b) {
    std::vector<double> values;
    for (std::size_t s = 0; s < result.seeds.size(); ++s) values.push_back(*against_first(result, b, s));
    const Spread spread = spread_of(values);
    differences.push_back((spread.mean >= 0 ? "+" : "") + fixed(spread.mean, 4) +
                          (values.size() > 1 ? " ± " + fixed(spread.std, 4) : ""));
  }
  rows.push_back(differences);
  add("probes right, val, %", 1, probe_accuracy, 100);
  add("gradients: cosine, main with aux", 3,
      [](const BalancedRun& run) { return mean_interference(run, "cosine", 0); });
  add("  the same, second half", 3,
      [](const BalancedRun& run) { return mean_interference(run, "cosine", half_of(run)); });
  add("gradients: coef * |aux| / |main|", 4,
      [](const BalancedRun& run) { return mean_interference(run, "scaled_ratio", 0); });
  add("  the same, second half", 4,
      [](const BalancedRun& run) { return mean_interference(run, "scaled_ratio", half_of(run)); });
  TextRow last = {"verdict"};
  for (const std::vector<BalancedRun>& runs : result.runs) last.push_back(verdicts(runs));
  rows.push_back(last);
  return text_table(rows) +
         (result.seeds.size() == 1
              ? std::string("one seed")
              : "mean ± standard deviation over " + std::to_string(result.seeds.size()) + " seeds") +
         "; gradients of the router, sampled every " + std::to_string(result.interference_interval) + " steps\n";
}

Json balance_json(const BalanceResult& result) {
  Json variants = Json::array();
  for (std::size_t b = 0; b < result.balancers.size(); ++b) {
    const Json& moe = result.balancers[b].config.at("model").at("moe");
    Json runs = Json::array();
    for (std::size_t s = 0; s < result.seeds.size(); ++s) {
      const BalancedRun& run = result.runs[b][s];
      runs.push_back({{"seed", result.seeds[s]},
                      {"directory", run.directory.generic_string()},
                      {"val_loss", run.val_loss()},
                      {"val_loss_minus_first", *against_first(result, b, s)},
                      {"probe_accuracy", probe_accuracy(run) ? Json(*probe_accuracy(run)) : Json()},
                      {"verdict", run.findings.at("verdict")},
                      {"verdict_windows", run.findings.at("verdict_windows")},
                      {"windows", windows_of(run)},
                      {"interference", run.findings.at("interference")}});
    }
    variants.push_back(
        {{"name", result.balancers[b].name},
         {"aux_loss_coef", moe.at("aux_loss_coef")},
         {"aux_loss_scope", moe.at("aux_loss_scope")},
         {"bias_update_rate", moe.at("bias_balancing").get<bool>() ? moe.at("bias_update_rate") : Json(0)},
         {"val_loss",
          spread_or_null(values_of(result.runs[b], [](const BalancedRun& r) { return Value(r.val_loss()); }))},
         {"runs", runs}});
  }
  Json config = result.balancers.front().config;
  config["data"]["corpus"] = result.corpus.at("name");  // not the path
  return {{"schema", "minimoe-balance/1"},
          {"version", capi::version_string()},
          {"seeds", result.seeds},
          {"corpus", result.corpus},
          {"evaluation", result.evaluation},
          {"interference_interval", result.interference_interval},
          {"definitions",
           {{"max_violation", "of a window's counts: max / mean - 1, in the MoE layer whose counts are least even"},
            {"cosine", "between the gradients of main loss and unscaled aux loss with respect to a router"},
            {"scaled_ratio", "aux_loss_coef * norm of the aux gradient / norm of the main gradient"},
            {"val_loss_minus_first", "of the same seed, start values and batches"}}},
          {"balancers", variants},
          {"config", config}};
}

}  // namespace cli
