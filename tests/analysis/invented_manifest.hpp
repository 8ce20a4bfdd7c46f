// SPDX-License-Identifier: Apache-2.0
// Manifests of comparisons that never ran, one of each kind that findings must tell apart.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace invented {

using Json = nlohmann::ordered_json;

inline Json spread(const std::vector<double>& values) { return {{"values", values}}; }

/// Three seeds; the MoE model loses `to_dense` (.. `to_total`) nats to the dense models, with a little noise.
struct Losses {
  double to_dense = 0, to_active = 0, to_total = 0;
  double noise = 0.001;
  double cpu_ratio = 1.3, total_cpu_ratio = 1.2;
  std::size_t num_seeds = 3;
};

inline Json variant(const Losses& l, double difference, double cpu_time, std::uint64_t params, std::uint64_t active,
                    std::uint64_t d_ff, double flops) {
  std::vector<double> losses, perplexities, times;
  for (std::size_t i = 0; i < l.num_seeds; ++i) {
    const double wobble = difference == 0 ? 0 : l.noise * (static_cast<double>(i % 3) - 1);
    losses.push_back(1.3 + 0.01 * static_cast<double>(i) - difference + wobble);
    perplexities.push_back(std::exp(losses.back()));
    times.push_back(cpu_time * (1 + 0.01 * static_cast<double>(i)));
  }
  return {
      {"params", params},
      {"active_params", active},
      {"train_flops_per_token", flops},
      {"d_ff", d_ff},
      {"probe_accuracy_val", 0.912},
      {"spread",
       {{"final_val_loss", spread(losses)}, {"final_val_ppl", spread(perplexities)}, {"cpu_time_s", spread(times)}}}};
}

inline Json health(const std::string& verdict, const std::string& reason) {
  return {{"verdict", verdict}, {"layers", {{{"layer", 0}, {"verdict", verdict}, {"reason", reason}}}}};
}

inline Json specialisation(const std::string& conclusion, double nmi, double random_router, double word,
                           double beyond) {
  return {{"by", "class"},
          {"layers",
           {{{"block", 1},
             {"nmi", {{"value", nmi}, {"low", nmi * 0.9}, {"high", nmi * 1.1}}},
             {"controls",
              {{"shuffled_labels", {{"mean", 0.0006}, {"max", 0.001}, {"p_value", 0.005}}},
               {"random_table", {{"mean", 0.0912}, {"std", 0.01}}},
               {"random_router", {{"mean", random_router}, {"std", 0.02}}},
               {"within_word_shuffle", {{"mean", nmi * 0.98}, {"std", 0.002}}}}},
             {"word_explains", word},
             {"class_beyond_word", beyond},
             {"conclusion", conclusion},
             {"text", "Experts divide by " + conclusion + "."}}}}};
}

inline Json repeated(const Json& value, std::size_t count) {
  Json list = Json::array();
  for (std::size_t i = 0; i < count; ++i) list.push_back(value);
  return list;
}

/// All else is healthy, by word form, on the grammar corpus.
inline Json manifest(const Losses& l) {
  const std::vector<double> none(l.num_seeds, 0.0), share_std(l.num_seeds, 0.0123);
  Json m = {{"schema", "minimoe-compare/1"},
            {"seeds", Json::array()},
            {"num_experts", 4},
            {"top_k", 2},
            {"moe_layer_indices", {1}},
            {"alpha_aux_loss", 0.01},
            {"steps", 5000},
            {"entropy_floor", {{"train", 1.2}, {"val", 1.2003}}},
            {"corpus", {{"name", "grammar"}, {"vocab_size", 517}}},
            {"config", {{"model", {{"moe", {{"bias_balancing", false}}}}}, {"train", {{"learning_rate", 0.003}}}}}};
  for (std::size_t i = 0; i < l.num_seeds; ++i) m["seeds"].push_back(36000 + i);
  m["dense_baseline"] = variant(l, l.to_dense, 10, 133248, 133248, 256, 810000);
  m["moe_variant"] = variant(l, 0, 10 * l.cpu_ratio, 233248, 166500, 256, 1010000);
  m["dense_active_matched"] = variant(l, l.to_active, 11, 166464, 166464, 384, 1000000);
  m["dense_total_matched"] = variant(l, l.to_total, 10 * l.total_cpu_ratio, 233152, 233152, 640, 1400000);
  m["moe_variant"]["spread"]["experts_dead_count"] = spread(none);
  m["moe_variant"]["spread"]["experts_cold_count"] = spread(none);
  m["moe_variant"]["spread"]["load_balance_stddev"] = spread(share_std);
  m["health"] = repeated(health("healthy", "3.97 of 4 experts in effect, gate mass the same."), l.num_seeds);
  m["specialisation"] = repeated(specialisation("word-form", 0.252, 0.213, 0.853, 0.011), l.num_seeds);
  return m;
}

struct Kind {
  std::string name;
  Json manifest;
};

inline std::vector<Kind> kinds() {
  std::vector<Kind> all;
  const auto add = [&](const std::string& name, const Losses& losses, auto change) {
    Json m = manifest(losses);
    change(m);
    all.push_back({name, m});
  };
  const auto as_it_is = [](Json&) {};
  const Losses wins = {-0.05, -0.04, -0.03}, loses = {0.03, 0.04, 0.05}, same = {-0.0005, 0.002, 0.003};
  add("adopt", wins, as_it_is);
  add("never: loses", loses, as_it_is);
  add("never: the same for more time", {-0.0005, 0.002, 0.003, 0.001, 1.8}, as_it_is);
  add("defer: the same", same, as_it_is);
  add("defer: not against the matched", {-0.05, 0.01, 0.02}, as_it_is);
  add("defer: wide interval", {-0.05, -0.04, -0.03, 0.05}, as_it_is);
  add("collapsed", {0.004, 0.01, 0.01}, [](Json& m) {
    m["health"] = repeated(health("collapsed", "1.21 of 4 experts in effect over steps 4501 to 5000."), 2);
    m["health"].push_back(health("healthy", "3.9 of 4 experts in effect."));
    m["alpha_aux_loss"] = 0.0;
    m["moe_variant"]["spread"]["experts_dead_count"] = spread({2, 1, 0});
    m["moe_variant"]["spread"]["experts_cold_count"] = spread({3, 2, 0});
  });
  add("sham", loses, [](Json& m) {
    m["health"] = repeated(health("sham", "3.8 of 4 experts in effect by counts, 1.1 by gate mass."), 3);
    m["alpha_aux_loss"] = 0.0;
    m["config"]["model"]["moe"]["bias_balancing"] = true;
  });
  add("skewed", same, [](Json& m) { m["health"][1] = health("skewed", "Expert 3 is cold."); });
  add("at risk", same, [](Json& m) { m["health"][0] = health("at-risk", "2.9 of 4 experts in effect, falling."); });
  add("untested", same, [](Json& m) { m["health"] = repeated(health("untested", "20 steps, 50 are needed."), 3); });
  add("class", wins,
      [](Json& m) { m["specialisation"] = repeated(specialisation("class", 0.41, 0.08, 0.4, 0.35), 3); });
  add("no specialisation", same,
      [](Json& m) { m["specialisation"] = repeated(specialisation("none", 0.0009, 0.0011, 0.01, 0.0), 3); });
  add("random-like", same,
      [](Json& m) { m["specialisation"] = repeated(specialisation("random-like", 0.15, 0.16, 0.7, 0.01), 3); });
  add("seeds disagree", same, [](Json& m) { m["specialisation"][2] = specialisation("class", 0.41, 0.08, 0.4, 0.35); });
  add("no reports", same, [](Json& m) {
    m["health"] = nullptr;
    m.erase("specialisation");
  });
  add("one seed", {-0.05, -0.04, -0.03, 0.001, 1.3, 1.2, 1}, as_it_is);
  add("corpus without classes", same, [](Json& m) {
    m["corpus"]["name"] = "text.txt";
    m["entropy_floor"] = {{"val", nullptr}};
    for (const char* v : {"dense_baseline", "moe_variant"}) m[v]["probe_accuracy_val"] = nullptr;
    m["specialisation"] =
        repeated({{"by", "frequency"},
                  {"layers", {{{"block", 1}, {"conclusion", "none"}, {"text", "Rare tokens go to expert 2."}}}}},
                 3);
  });
  add("no floor known", wins, [](Json& m) { m.erase("entropy_floor"); });
  add("faster", {-0.002, 0.002, 0.003, 0.001, 0.8, 1.6}, as_it_is);
  add("top 1, no slower", {-0.002, 0.002, 0.003, 0.001, 1.02, 0.9}, [](Json& m) {
    m["top_k"] = 1;
    m["moe_variant"]["active_params"] = 133504;
    m["moe_variant"]["train_flops_per_token"] = 811000.0;
  });
  add("too good", {-0.2, -0.2, -0.2}, as_it_is);
  add("weakened baseline", {-0.2, -0.2, -0.2}, [](Json& m) {
    m["dense_baseline"]["steps"] = 1000;
    m["dense_baseline"]["learning_rate"] = 0.0001;
  });
  add("everything at once", {-0.2, -0.02, 0.02, 0.001, 2.5, 3}, [](Json& m) {
    m["health"][2] = health("sham", "3.8 of 4 experts in effect by counts, 1.1 by gate mass.");
    m["specialisation"][2] = specialisation("class", 0.41, 0.08, 0.4, 0.35);
    m["specialisation"][1] = specialisation("none", 0.001, 0.08, 0.4, 0.0);
    m["moe_layer_indices"] = {0, 1, 3};
    m["dense_baseline"]["steps"] = 1000;
    m["dense_baseline"]["learning_rate"] = 0.0001;
    m["dense_baseline"]["d_ff"] = 128;
    m["moe_variant"]["spread"]["experts_dead_count"] = spread({2, 1, 0});
    m["moe_variant"]["spread"]["experts_cold_count"] = spread({3, 2, 0});
  });
  return all;
}

}  // namespace invented
