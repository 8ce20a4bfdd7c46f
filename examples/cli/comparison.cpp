// SPDX-License-Identifier: Apache-2.0
#include "comparison.hpp"

#include <algorithm>

#include "exit_codes.hpp"
#include "training_run.hpp"

namespace cli {

namespace {

Json probe_accuracy(const Json& result, const char* split) {
  const Json& splits = result.at("splits");
  if (!splits.contains(split) || splits.at(split).at("probes").is_null()) return nullptr;
  return splits.at(split).at("probes").at("accuracy");
}

Json split_loss(const Json& result, const char* split) {
  return result.at("splits").contains(split) ? result.at("splits").at(split).at("loss") : Json();
}

enum class OverLayers { kMean, kSum };

// A figure of the validation loads, over the MoE layers.
Json load_figure(const Json& result, const char* name, OverLayers reduction) {
  const Json& layers = result.at("splits").at("val").at("layers");
  if (layers.empty()) return nullptr;
  double sum = 0;
  for (const Json& layer : layers) sum += layer.at(name).get<double>();
  return reduction == OverLayers::kMean ? sum / static_cast<double>(layers.size()) : sum;
}

// Assignments an expert, over the experts of all MoE layers.
Json mean_load(const Json& result) {
  double sum = 0;
  std::size_t num_experts = 0;
  for (const Json& layer : result.at("splits").at("val").at("layers")) {
    for (const Json& load : layer.at("load")) sum += load.get<double>();
    num_experts += layer.at("load").size();
  }
  return num_experts == 0 ? Json() : Json(sum / static_cast<double>(num_experts));
}

}  // namespace

std::vector<Variant> comparison_variants(const Json& config, const capi::Options& options) {
  if (config.at("model").at("moe").at("layers").empty()) {
    throw BadInput("compare: model.moe.layers is empty, so there is no MoE model to compare; give --moe-layer");
  }
  std::vector<Variant> variants;
  for (const Json& v : Json::parse(capi::config_variants(json_text(config)))) {
    variants.push_back({v.at("key"), v.at("title"), v.at("config"), {}});
  }
  for (Variant& variant : variants) variant.costs = run_costs(variant.config, options);
  return variants;
}

std::vector<Figure> figures_of(const std::vector<Json>& results) {
  std::vector<Figure> figures;
  const auto add = [&](const char* name, auto&& value_of) {
    Figure figure{name, true, {}};
    std::vector<double> values;
    for (const Json& result : results) {
      const Json value = value_of(result);
      if (!value.is_number()) figure.known = false;
      values.push_back(value.is_number() ? value.get<double>() : 0);
    }
    if (figure.known) figure.spread = spread_of(values);
    figures.push_back(std::move(figure));
  };
  add("train_loss", [](const Json& r) { return r.at("train_loss"); });
  add("final_val_loss", [](const Json& r) { return r.at("val_loss"); });
  add("final_val_ppl", [](const Json& r) { return r.at("val_perplexity"); });
  add("held_out_verbs_loss", [](const Json& r) { return split_loss(r, "held-out-verbs"); });
  add("held_out_combinations_loss", [](const Json& r) { return split_loss(r, "held-out-combinations"); });
  add("probe_accuracy_val", [](const Json& r) { return probe_accuracy(r, "val"); });
  add("probe_accuracy_held_out_verbs", [](const Json& r) { return probe_accuracy(r, "held-out-verbs"); });
  add("probe_accuracy_held_out_combinations", [](const Json& r) { return probe_accuracy(r, "held-out-combinations"); });
  add("wall_time_s", [](const Json& r) { return r.at("wall_time_s"); });
  add("cpu_time_s", [](const Json& r) { return r.at("cpu_time_s"); });
  add("load_balance_mean", [](const Json& r) { return mean_load(r); });
  add("load_balance_stddev", [](const Json& r) { return load_figure(r, "load_balance_stddev", OverLayers::kMean); });
  add("experts_dead_count", [](const Json& r) { return load_figure(r, "experts_dead_count", OverLayers::kSum); });
  add("experts_cold_count", [](const Json& r) { return load_figure(r, "experts_cold_count", OverLayers::kSum); });
  return figures;
}

const Figure& figure(const std::vector<Figure>& figures, const std::string& name) {
  return *std::find_if(figures.begin(), figures.end(), [&](const Figure& f) { return f.name == name; });
}

Json judge(const Comparison& c) {
  Json figures = Json::object();
  for (std::size_t v = 0; v < c.variants.size(); ++v) {
    Json losses = Json::array(), times = Json::array();
    for (const Json& result : c.results[v]) {
      losses.push_back(result.at("val_loss"));
      times.push_back(result.at("cpu_time_s"));
    }
    figures[c.variants[v].key] = {{"val_loss", losses}, {"cpu_time_s", times}};
  }
  try {
    return Json::parse(capi::compare_verdict(json_text(figures)));
  } catch (const capi::Error& failure) {
    throw RunFailed(failure.what());
  }
}

}  // namespace cli
