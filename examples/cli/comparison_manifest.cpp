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
               {"d_ff", variant.config.at("model").at("d_ff")},
               {"steps", variant.config.at("train").at("steps")},
               {"learning_rate", variant.config.at("train").at("learning_rate")}};
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

// "defer: ...": the lab's field is one text.
std::string verdict_text(const Json& verdict) {
  std::string text = verdict.at("verdict").get<std::string>() + ":";
  for (const Json& reason : verdict.at("reasons")) text += " " + reason.get<std::string>();
  return text;
}

// Without the windows, which stand in each run's health.json.
Json health_by_seed(const Comparison& c) {
  Json all = Json::array();
  for (std::size_t s = 0; s < c.seeds.size(); ++s) {
    const Json& result = c.results[1][s];
    if (!result.contains("health")) return nullptr;
    Json health = {{"seed", c.seeds[s]}, {"verdict", result.at("health").at("verdict")}, {"layers", Json::array()}};
    for (Json layer : result.at("health").at("layers")) {
      layer.erase("windows");
      health["layers"].push_back(std::move(layer));
    }
    all.push_back(std::move(health));
  }
  return all;
}

// Without shares and histograms, which stand in each run's specialisation.json.
Json specialisation_by_seed(const Comparison& c) {
  if (c.specialisation.empty()) return nullptr;
  Json all = Json::array();
  for (std::size_t s = 0; s < c.specialisation.size(); ++s) {
    Json summary = {{"seed", c.seeds[s]}};
    for (const char* key : {"split", "num_tokens", "by"}) summary[key] = c.specialisation[s].at(key);
    summary["layers"] = Json::array();
    for (const Json& layer : c.specialisation[s].at("layers")) {
      Json kept = Json::object();
      for (const char* key : {"block", "nmi", "controls", "word_explains", "class_beyond_word", "conclusion", "text"}) {
        if (layer.contains(key)) kept[key] = layer.at(key);
      }
      summary["layers"].push_back(std::move(kept));
    }
    all.push_back(std::move(summary));
  }
  return all;
}

// What a reader of the lab takes home, in a few sentences.
std::string lesson_notes(const Comparison& c) {
  std::string notes = c.verdict.at("reasons").front();
  if (const Json health = health_by_seed(c); !health.is_null()) {
    std::string verdicts;
    for (const Json& seed : health) verdicts += (verdicts.empty() ? "" : ", ") + seed.at("verdict").get<std::string>();
    notes += " Router by seed: " + verdicts + ".";
  }
  if (!c.specialisation.empty()) {
    for (const Json& layer : c.specialisation.front().at("layers")) {
      notes += " Block " + layer.at("block").dump() + ": " + layer.at("text").get<std::string>();
    }
  }
  return notes + " findings.md answers the lab's six questions.";
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
      {"paired_val_loss_difference",
       "of runs with the same seed, start values, batches, schedule and steps; low and high are the 95 % interval (t)"},
      {"gain", "1 - exp(mean of moe_variant_minus_dense_baseline): the share of perplexity that MoE saves"},
      {"health", "of each seed's MoE run, without its windows"},
      {"specialisation", "of each seed's MoE run on the validation split"}};
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
  manifest["paired_val_loss_difference"] = c.verdict.at("differences");
  manifest["entropy_floor"] = c.floors;
  manifest["verdict_for_grammar_tutor"] = verdict_text(c.verdict);
  manifest["lesson_notes"] = lesson_notes(c);
  manifest["verdict"] = c.verdict;
  manifest["verdict"].erase("differences");  // stand above
  manifest["verdict"].erase("spread");
  manifest["health"] = health_by_seed(c);
  manifest["specialisation"] = specialisation_by_seed(c);
  manifest["corpus"] = c.corpus;
  manifest["evaluation"] = c.evaluation;
  manifest["build"] = Json::parse(capi::build_info());
  manifest["cpu"] = cpu_info();
  manifest["exec"] = c.exec;
  manifest["command"] = command_line();
  manifest["definitions"] = definitions();
  manifest["config"] = config;
  return manifest;
}

}  // namespace cli
