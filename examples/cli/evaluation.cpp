// SPDX-License-Identifier: Apache-2.0
#include "evaluation.hpp"

#include <algorithm>
#include <cmath>

namespace cli {

namespace {

Json probe_summary(const std::vector<ProbeScore>& scores) {
  if (scores.empty()) return nullptr;
  const auto share = [](std::uint64_t correct, std::uint64_t asked) {
    return asked == 0 ? Json() : Json(static_cast<double>(correct) / static_cast<double>(asked));
  };
  std::uint64_t correct = 0, asked = 0, skipped = 0;
  Json kinds = Json::object();
  for (const ProbeScore& score : scores) {
    correct += score.correct;
    asked += score.asked;
    skipped += score.skipped;
    kinds[score.kind] = {{"accuracy", share(score.correct, score.asked)}, {"asked", score.asked}};
  }
  return {{"accuracy", share(correct, asked)},
          {"correct", correct},
          {"asked", asked},
          {"skipped", skipped},
          {"kinds", kinds}};
}

}  // namespace

Json evaluation_json(const EvaluationSize& size) {
  return {{"max_windows", size.max_windows}, {"max_probes", size.max_probes}};
}

std::vector<std::string> evaluation_splits(const capi::Dataset& dataset, std::size_t seq_len) {
  std::vector<std::string> splits;
  const Json info = Json::parse(dataset.info());
  for (const Json& name : info.at("splits")) {
    const std::string split = name;
    if (dataset.num_windows(split, seq_len) > 0) splits.push_back(split);
  }
  return splits;
}

Json entropy_floors(const capi::Dataset& dataset, std::size_t seq_len, std::uint64_t max_windows) {
  Json floors = Json::object();
  std::uint64_t train_windows = max_windows;
  for (const std::string& split : evaluation_splits(dataset, seq_len)) {
    const std::uint64_t all = dataset.num_windows(split, seq_len);
    const std::uint64_t windows = max_windows == 0 ? all : std::min(all, max_windows);
    if (split == "val") train_windows = windows;
    const auto floor = dataset.entropy_floor(split, seq_len, windows);
    floors[split] = floor ? Json(*floor) : Json();
  }
  const auto floor = train_windows == 0 ? std::nullopt : dataset.entropy_floor("train", seq_len, train_windows);
  floors["train"] = floor ? Json(*floor) : Json();
  return floors;
}

Json evaluate_split(capi::Trainer& trainer, const capi::Model& model, const capi::Dataset& dataset,
                    const std::string& split, const EvaluationSize& size, const Json& floors) {
  const capi::Evaluation evaluation = trainer.evaluate(split, size.max_windows);
  Json layers = Json::array();
  for (const LayerRouting& layer : routing_of(trainer, MINIMOE_ROUTING_EVALUATION))
    layers.push_back(load_summary(layer));
  return {{"loss", evaluation.loss},
          {"perplexity", std::exp(evaluation.loss)},
          {"entropy_floor", floors.contains(split) ? floors.at(split) : Json()},
          {"windows", evaluation.num_windows},
          {"targets", evaluation.num_targets},
          {"probes", probe_summary(size.max_probes == 0 ? std::vector<ProbeScore>()
                                                        : probe_scores(model, dataset, split, size.max_probes))},
          {"layers", layers}};
}

Json load_summary(const LayerRouting& layer) {
  double sum = 0;
  for (const std::int64_t load : layer.load) sum += static_cast<double>(load);
  std::vector<double> shares;
  for (const std::int64_t load : layer.load) shares.push_back(static_cast<double>(load) / sum);
  const Json counts = Json::parse(capi::load_statistics(layer.load, 1));  // nothing below depends on top_k
  return {{"block", layer.block},
          {"load", layer.load},
          {"load_share", shares},
          {"load_balance_stddev", counts.at("share_stddev")},
          {"experts_dead_count", counts.at("num_dead")},
          {"experts_cold_count", counts.at("num_cold")},
          {"mean_probs", layer.mean_probs},
          {"gate_weight_share", layer.gate_weight_share}};
}

}  // namespace cli
