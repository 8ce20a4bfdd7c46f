// SPDX-License-Identifier: Apache-2.0
#include "report_table.hpp"

#include <algorithm>
#include <vector>

#include "config_file.hpp"
#include "config_options.hpp"
#include "machine.hpp"

namespace cli {

namespace {

struct Row {
  const char *key, *title;
  int decimals;
  double scale;
};

constexpr Row kRows[] = {{"train_loss", "train loss", 4, 1},
                         {"final_val_loss", "val loss", 4, 1},
                         {"final_val_ppl", "val perplexity", 3, 1},
                         {"held_out_verbs_loss", "held-out verbs, loss", 4, 1},
                         {"held_out_combinations_loss", "held-out combinations, loss", 4, 1},
                         {"probe_accuracy_val", "probes right, val, %", 1, 100},
                         {"probe_accuracy_held_out_verbs", "probes right, held-out verbs, %", 1, 100},
                         {"probe_accuracy_held_out_combinations", "probes right, held-out combinations, %", 1, 100},
                         {"wall_time_s", "wall time, s", 2, 1},
                         {"cpu_time_s", "CPU time, s", 2, 1},
                         {"load_balance_mean", "load per expert, mean", 1, 1},
                         {"load_balance_stddev", "standard deviation of load shares", 4, 1},
                         {"experts_dead_count", "dead experts", 2, 1},
                         {"experts_cold_count", "cold experts", 2, 1}};

struct Column {
  std::string title;
  const Json* variant;
};

bool has_number(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) && object.at(key).is_number();
}

std::vector<Column> variants_of(const Json& manifest) {
  std::vector<Column> columns;
  for (const auto& [key, value] : manifest.items()) {
    if (!value.is_object() || !has_number(value, "params")) continue;
    std::string title = key;
    for (const char* tail : {"_baseline", "_variant", "_matched"}) {
      const std::size_t at = title.find(tail);
      if (at != std::string::npos) title.erase(at);
    }
    std::replace(title.begin(), title.end(), '_', '-');
    columns.push_back({title, &value});
  }
  return columns;
}

std::string cell(const Json& variant, const Row& row) {
  const Json spread = variant.value("spread", Json::object());
  const Json of = spread.is_object() ? spread.value(row.key, Json()) : Json();
  const bool one_seed = of.is_object() && of.contains("values") && of.at("values").size() < 2;
  if (has_number(of, "mean") && has_number(of, "std") && !one_seed) {
    return fixed(row.scale * of.at("mean").get<double>(), row.decimals) + " ± " +
           fixed(row.scale * of.at("std").get<double>(), row.decimals);
  }
  return has_number(variant, row.key) ? fixed(row.scale * variant.at(row.key).get<double>(), row.decimals) : "-";
}

std::string count(const Json& object, const char* key) {
  return has_number(object, key) ? count_text(object.at(key).get<std::uint64_t>()) : "-";
}

std::string comparison_rows(const std::vector<Column>& columns) {
  const auto line = [&](const std::string& name, auto&& value) {
    std::string text = name.empty() ? "   " : name;
    bool known = false;
    for (const Column& column : columns) {
      const std::string entry = value(*column.variant, column.title);
      known = known || entry != "-";
      text += "  " + entry;
    }
    return known ? text + "\n" : "";
  };
  std::string text = line("", [](const Json&, const std::string& title) { return title; });
  text += line("parameters, total", [](const Json& v, const std::string&) { return count(v, "params"); });
  text += line("parameters, active", [](const Json& v, const std::string&) { return count(v, "active_params"); });
  text += line("d_ff of dense blocks", [](const Json& v, const std::string&) { return count(v, "d_ff"); });
  for (const Row& row : kRows) {
    text += line(row.title, [&](const Json& v, const std::string&) { return cell(v, row); });
  }
  return text;
}

std::string run_rows(const Json& result) {
  std::string text;
  const auto add = [&](const char* title, const Json& object, const char* key, int decimals) {
    if (has_number(object, key))
      text += std::string(title) + "  " + fixed(object.at(key).get<double>(), decimals) + "\n";
  };
  add("train loss", result, "train_loss", 4);
  add("val loss", result, "val_loss", 4);
  add("val perplexity", result, "val_perplexity", 3);
  add("entropy floor, train", result.value("entropy_floor", Json()), "train", 4);
  add("entropy floor, val", result.value("entropy_floor", Json()), "val", 4);
  add("wall time, s", result, "wall_time_s", 2);
  add("CPU time, s", result, "cpu_time_s", 2);
  add("tokens a second", result, "tokens_per_s", 0);
  return text.empty() ? "" : "     value\n" + text;
}

}  // namespace

std::string report_table(const Json& manifest) {
  if (!manifest.is_object()) return "";
  const std::vector<Column> columns = variants_of(manifest);
  return columns.empty() ? run_rows(manifest) : comparison_rows(columns);
}

std::string report_command(const Json& manifest, const std::string& directory) {
  if (!manifest.is_object()) return "";
  if (manifest.contains("command") && manifest.at("command").is_string()) return manifest.at("command");
  if (!manifest.contains("seeds")) return "minimoe train --config " + directory + "/config.json --out NEW";
  std::string text = "minimoe compare --seeds ", seeds;
  for (const Json& seed : manifest.at("seeds")) seeds += (seeds.empty() ? "" : ",") + json_text(seed);
  text += seeds;
  const std::map<std::string, Json> defaults = dotted_leaves(ConfigOptions().resolve());
  for (const auto& [key, value] : dotted_leaves(manifest.value("config", Json::object()))) {
    const auto found = defaults.find(key);
    if (key == "train.seed" || key == "model.vocab_size" || (found != defaults.end() && found->second == value))
      continue;
    text += " --set " + key + "=" + (value.is_string() ? value.get<std::string>() : json_text(value));
  }
  return text;
}

}  // namespace cli
