// SPDX-License-Identifier: Apache-2.0
#include "router_log.hpp"

#include <deque>
#include <fstream>

#include "exit_codes.hpp"

namespace cli {

std::string router_log_lines(const Json& metrics_line, std::size_t top_k) {
  std::string text;
  std::size_t index = 0;
  for (const Json& layer : metrics_line.at("layers")) {
    std::int64_t num_dropped = 0;
    for (const Json& dropped : layer.at("dropped")) num_dropped += dropped.get<std::int64_t>();
    Json line = {{"step", metrics_line.at("step")},
                 {"layer", index++},
                 {"top_k", top_k},
                 {"load", layer.at("load")},
                 {"mean_probs", layer.at("mean_probs")},
                 {"num_dropped", num_dropped},
                 {"num_steps", 1},
                 {"gate_weight_share", layer.at("gate_weight_share")},
                 {"block", layer.at("block")}};
    for (const char* key : {"aux_loss", "z_loss"}) {  // runs of earlier versions have only the mean over layers
      if (layer.contains(key)) line[key] = layer.at(key);
    }
    text += json_text(line) + "\n";
  }
  return text;
}

std::string router_log_of_run(const std::filesystem::path& metrics, std::size_t top_k, std::size_t max_steps) {
  std::ifstream file(metrics);
  if (!file) throw BadInput(metrics.string() + ": cannot be opened");
  std::deque<std::string> steps;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    try {
      steps.push_back(router_log_lines(Json::parse(line), top_k));
    } catch (const Json::exception&) {
      throw BadInput(metrics.string() + ": line " + std::to_string(number) + " is no line of a training run");
    }
    if (steps.size() > max_steps) steps.pop_front();
  }
  std::string text;
  for (const std::string& step : steps) text += step;
  return text;
}

Json health_options_of(const Json& config) {
  const Json& moe = config.at("model").at("moe");
  return {{"warmup", config.at("train").at("warmup_steps")},
          {"aux_loss_coef", moe.at("aux_loss_coef")},
          {"z_loss_coef", moe.at("z_loss_coef")},
          {"router_init_std", moe.at("router_init_std")}};
}

}  // namespace cli
