// SPDX-License-Identifier: Apache-2.0
#include "analysis/comparison_facts.hpp"

#include <algorithm>

namespace minimoe {
namespace {

std::optional<double> optional_number(const JsonCursor& value) {
  return value.is_null() ? std::nullopt : std::optional(value.number());
}

Spread read_spread(const JsonCursor& variant, const char* figure) {
  const JsonCursor values = variant.at("spread").at(figure).at("values");
  const std::vector<double> numbers = values.numbers();
  if (numbers.empty()) values.refuse("a number for each seed");
  return spread_of(numbers);
}

// Steps and learning rate are of the whole comparison unless a variant says otherwise.
VariantFacts read_variant(const JsonCursor& manifest, const char* name) {
  const JsonCursor variant = manifest.at(name), train = manifest.at("config").at("train");
  VariantFacts facts;
  facts.val_loss = read_spread(variant, "final_val_loss");
  facts.perplexity = read_spread(variant, "final_val_ppl");
  facts.cpu_time_s = read_spread(variant, "cpu_time_s");
  facts.params = variant.at("params").count();
  facts.active_params = variant.at("active_params").count();
  facts.flops_per_token = variant.at("train_flops_per_token").number();
  facts.d_ff = variant.at("d_ff").count();
  const JsonCursor steps = variant.find("steps"), rate = variant.find("learning_rate");
  facts.steps = (steps.is_null() ? manifest.at("steps") : steps).count();
  facts.learning_rate = (rate.is_null() ? train.at("learning_rate") : rate).number();
  facts.probe_accuracy = optional_number(variant.find("probe_accuracy_val"));
  return facts;
}

// The layer that has the report's verdict gives its reason.
HealthFacts read_health(const JsonCursor& report) {
  HealthFacts facts;
  facts.verdict = report.at("verdict").text();
  const std::vector<std::string> known = {"healthy", "skewed", "at-risk", "collapsed", "sham", "untested"};
  if (std::find(known.begin(), known.end(), facts.verdict) == known.end()) {
    report.at("verdict").refuse("healthy, skewed, at-risk, collapsed, sham or untested");
  }
  if (report.find("layers").is_null()) return facts;
  for (const JsonCursor& layer : report.at("layers").items()) {
    if (layer.at("verdict").text() != facts.verdict || layer.find("reason").is_null()) continue;
    facts.reason = layer.at("reason").text();
    break;
  }
  return facts;
}

SpecialisationFacts read_layer(const JsonCursor& layer, bool by_frequency) {
  SpecialisationFacts facts;
  if (!layer.find("text").is_null()) facts.text = layer.at("text").text();
  if (by_frequency) return facts;
  facts.block = layer.at("block").count();
  facts.conclusion = layer.at("conclusion").text();
  const std::vector<std::string> known = {"class", "word-form", "random-like", "none", "undecided"};
  if (std::find(known.begin(), known.end(), facts.conclusion) == known.end()) {
    layer.at("conclusion").refuse("class, word-form, random-like, none or undecided");
  }
  const JsonCursor controls = layer.find("controls");
  const auto control = [&](const char* name) { return optional_number(controls.find(name).find("mean")); };
  facts.nmi = optional_number(layer.find("nmi").find("value"));
  facts.shuffled = control("shuffled_labels");
  facts.random_table = control("random_table");
  facts.random_router = control("random_router");
  facts.word_explains = optional_number(layer.find("word_explains"));
  facts.class_beyond_word = optional_number(layer.find("class_beyond_word"));
  return facts;
}

void read_specialisation(ComparisonFacts& facts, const JsonCursor& reports) {
  if (reports.is_null()) return;
  for (const JsonCursor& report : reports.items()) {
    if (report.is_null()) continue;
    const JsonCursor by = report.find("by");
    if (!by.is_null() && by.text() == "frequency") facts.by_frequency = true;
    for (const JsonCursor& layer : report.at("layers").items()) {
      facts.specialisation.push_back(read_layer(layer, facts.by_frequency));
    }
  }
}

}  // namespace

ComparisonFacts read_comparison_facts(const JsonCursor& manifest) {
  ComparisonFacts facts;
  facts.num_seeds = manifest.at("seeds").counts().size();
  facts.steps = manifest.at("steps").count();
  facts.num_experts = manifest.at("num_experts").count();
  facts.top_k = manifest.at("top_k").count();
  facts.moe_blocks = manifest.at("moe_layer_indices").counts();
  facts.aux_loss_coef = manifest.at("alpha_aux_loss").number();
  facts.corpus = manifest.at("corpus").at("name").text();
  facts.floor = optional_number(manifest.find("entropy_floor").find("val"));
  const JsonCursor bias = manifest.at("config").find("model").find("moe").find("bias_balancing");
  facts.bias_balancing = !bias.is_null() && bias.boolean();
  facts.moe = read_variant(manifest, "moe_variant");
  facts.dense = read_variant(manifest, "dense_baseline");
  facts.active_matched = read_variant(manifest, "dense_active_matched");
  facts.total_matched = read_variant(manifest, "dense_total_matched");
  facts.dead = read_spread(manifest.at("moe_variant"), "experts_dead_count").values;
  facts.cold = read_spread(manifest.at("moe_variant"), "experts_cold_count").values;
  facts.share_stddev = read_spread(manifest.at("moe_variant"), "load_balance_stddev").mean;
  const JsonCursor health = manifest.find("health");
  if (!health.is_null()) {
    for (const JsonCursor& report : health.items()) {
      if (!report.is_null()) facts.health.push_back(read_health(report));
    }
  }
  read_specialisation(facts, manifest.find("specialisation"));
  const auto figures = [](const VariantFacts& v) { return VariantFigures{v.val_loss.values, v.cpu_time_s.values}; };
  if (facts.moe.val_loss.values.size() != facts.num_seeds) {
    manifest.at("seeds").refuse(concat(facts.moe.val_loss.values.size(), " seeds, as many as losses of moe_variant"));
  }
  facts.verdict = compare_verdict(
      {figures(facts.moe), figures(facts.dense), figures(facts.active_matched), figures(facts.total_matched)});
  return facts;
}

}  // namespace minimoe
