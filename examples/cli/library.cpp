// SPDX-License-Identifier: Apache-2.0
#include "library.hpp"

namespace cli {

std::vector<LayerRouting> routing_of(const capi::Trainer& trainer, std::int32_t source) {
  std::vector<LayerRouting> layers;
  for (const Json& layer : Json::parse(trainer.routing(source))) {
    layers.push_back({layer.at("block"), layer.at("load"), layer.at("dropped"), layer.at("mean_probs"),
                      layer.at("gate_weight_share"), layer.at("aux_loss"), layer.at("z_loss"),
                      layer.at("router_logit_norm"), layer.at("bias_min"), layer.at("bias_max")});
  }
  return layers;
}

std::vector<ProbeScore> probe_scores(const capi::Model& model, const capi::Dataset& dataset, const std::string& split,
                                     std::size_t max_count) {
  std::vector<ProbeScore> scores;
  for (const Json& score : Json::parse(model.answer_probes(dataset, split, max_count))) {
    scores.push_back({score.at("kind"), score.at("correct"), score.at("asked"), score.at("skipped")});
  }
  return scores;
}

Json exec_info(const capi::Model& model) {
  const Json info = Json::parse(model.info());
  return {{"num_threads", info.at("num_threads")}, {"instruction_set", info.at("instruction_set")}};
}

std::string token_text(const capi::Dataset& dataset, std::int32_t token) {
  const std::string text = dataset.decode({&token, 1});
  if (text == "\n") return "\\n";
  if (text == "\t") return "\\t";
  // A byte that is no text by itself reads U+FFFD; its number tells which it is.
  const bool is_control = text.size() == 1 && (static_cast<unsigned char>(text[0]) < ' ' || text[0] == '\x7f');
  if (text.empty() || is_control || text == "\xEF\xBF\xBD") return "<" + std::to_string(token) + ">";
  return text;
}

}  // namespace cli
