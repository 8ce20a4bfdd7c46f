// SPDX-License-Identifier: Apache-2.0
#include "comparison.hpp"
#include "machine.hpp"

namespace cli {

namespace {

Json variant_json(const Variant& variant, const std::vector<Json>& results) {
  const std::vector<Figure> figures = figures_of(results);
  Json json = {{"params", variant.costs.at("parameters").at("total")},
               {"active_params", variant.costs.at("parameters").at("active")},
               {"train_flops_per_token", variant.costs.at("train_flops_per_token")},
               {"d_ff", variant.config.at("model").at("d_ff")}};
  Json spread = Json::object();
  for (const Figure& f : figures) {
    const bool of_experts = f.name.rfind("experts_", 0) == 0 || f.name.rfind("load_", 0) == 0;
    if (!f.known && of_experts) continue;  // a dense model has none
    const bool is_count = f.name.rfind("experts_", 0) == 0;
    json[f.name] = !f.known ? Json() : is_count ? Json(static_cast<std::int64_t>(f.spread.max)) : Json(f.spread.mean);
    spread[f.name] = f.known ? spread_json(f.spread) : Json();
  }
  Json loads = Json::array();
  for (const Json& result : results) {
    Json layers = Json::array();
    for (const Json& layer : result.at("splits").at("val").at("layers")) {
      layers.push_back({{"block", layer.at("block")}, {"load_share", layer.at("load_share")}});
    }
    if (!layers.empty()) loads.push_back(layers);
  }
  if (!loads.empty()) json["load_shares"] = loads;
  json["spread"] = spread;
  return json;
}

Json definitions() {
  return {
      {"figures", "mean over seeds; spread holds mean, sample standard deviation, min, max and the value of each seed"},
      {"experts_dead_count",
       "experts without an assignment on the validation windows, all MoE layers; the largest over seeds"},
      {"experts_cold_count", "experts below 0.1 times the mean load there, dead ones included; the largest over seeds"},
      {"load_balance_stddev",
       "population standard deviation of the load shares on the validation windows, mean over MoE layers"},
      {"load_balance_mean", "assignments an expert on the validation windows, mean over the experts of all MoE layers"},
      {"train_loss", "mean over the last tenth of the steps, 1 to 100 of them, nats a token"},
      {"wall_time_s", "training steps and periodic validation only; CPU time is of all threads"},
      {"aux_loss", "num_experts * sum(f * P), mean over MoE layers, unscaled; 1 when even"},
      {"entropy_floor", "loss of the distribution that made the corpus, on the same windows, nats a token"},
      {"paired_val_loss_difference", "of runs with the same seed, start values, batches, schedule and steps"}};
}

}  // namespace

Json comparison_manifest(const Comparison& c) {
  const Json& model = c.config.at("model");
  const Json& moe = model.at("moe");
  Json config = c.config;
  config["data"]["corpus"] = c.corpus.at("name");  // not the path
  Json manifest = {{"schema", "minimoe-compare/1"},
                   {"lab", "00-moe-on-grammar-tutor"},
                   {"seed", c.seeds.front()},
                   {"seeds", c.seeds},
                   {"num_experts", moe.at("num_experts")},
                   {"top_k", moe.at("top_k")},
                   {"moe_layer_index", moe.at("layers").front()},
                   {"moe_layer_indices", moe.at("layers")},
                   {"alpha_aux_loss", moe.at("aux_loss_coef")},
                   {"steps", c.config.at("train").at("steps")}};
  for (std::size_t v = 0; v < c.variants.size(); ++v) {
    manifest[c.variants[v].key] = variant_json(c.variants[v], c.results[v]);
  }
  Json differences = Json::object();
  for (const std::size_t v : {std::size_t{0}, std::size_t{2}, std::size_t{3}}) {
    differences["moe_variant_minus_" + c.variants[v].key] = spread_json(paired_difference(c.results[1], c.results[v]));
  }
  manifest["paired_val_loss_difference"] = differences;
  manifest["entropy_floor"] = c.floors;
  manifest["verdict_for_grammar_tutor"] = nullptr;
  manifest["lesson_notes"] = nullptr;
  manifest["corpus"] = c.corpus;
  manifest["evaluation"] = c.evaluation;
  manifest["build"] = Json::parse(capi::build_info());
  manifest["cpu"] = cpu_info();
  manifest["exec"] = c.exec;
  manifest["definitions"] = definitions();
  manifest["config"] = config;
  return manifest;
}

}  // namespace cli
