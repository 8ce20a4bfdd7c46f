// SPDX-License-Identifier: Apache-2.0
#include "router_log.hpp"

#include <algorithm>
#include <deque>
#include <regex>

#include "exit_codes.hpp"
#include "metrics_lines.hpp"

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
    // Runs of earlier versions lack some.
    for (const char* key : {"aux_loss", "z_loss", "router_logit_norm", "bias_min", "bias_max"}) {
      if (layer.contains(key)) line[key] = layer.at(key);
    }
    text += json_text(line) + "\n";
  }
  return text;
}

RunLog router_log_of_run(const std::filesystem::path& metrics, std::size_t top_k, std::size_t max_steps) {
  struct Step {
    std::string text;
    std::size_t origin;
  };
  std::deque<Step> steps;
  std::size_t num_left_out = 0;
  RunLog log;
  const auto keep = [&log](const Step& step) {
    log.text += step.text;
    log.origins.insert(log.origins.end(),
                       static_cast<std::size_t>(std::count(step.text.begin(), step.text.end(), '\n')), step.origin);
  };
  log.note = read_metrics(metrics, [&](const Json& line, std::size_t number) {
    try {
      steps.push_back({router_log_lines(line, top_k), number});
    } catch (const Json::exception&) {
      throw BadInput(metrics.string() + ":" + std::to_string(number) + ": is no line of a training run");
    }
    if (steps.size() <= max_steps) return;
    if (++num_left_out == 1) keep(steps.front());  // how it began counts
    steps.pop_front();
  });
  if (num_left_out > 0) {
    const std::string long_run = metrics.string() + ": the first step and the last " + std::to_string(max_steps) +
                                 " are judged, " + std::to_string(num_left_out - 1) + " between them only read";
    log.note = log.note.empty() ? long_run : log.note + "; " + long_run;
  }
  for (const Step& step : steps) keep(step);
  return log;
}

std::string RunLog::about_metrics(const std::string& message, const std::filesystem::path& metrics) const {
  static const std::regex where("router log, line ([0-9]+)");
  std::smatch found;
  if (!std::regex_search(message, found, where)) return metrics.string() + ": " + message;
  const std::size_t number = std::stoull(found[1]);
  return metrics.string() + ":" + std::to_string(origins.at(number - 1)) + found.suffix().str();
}

Json health_options_of(const Json& config) {
  const Json& moe = config.at("model").at("moe");
  return {{"warmup", config.at("train").at("warmup_steps")},
          {"aux_loss_coef", moe.at("aux_loss_coef")},
          {"z_loss_coef", moe.at("z_loss_coef")},
          {"router_init_std", moe.at("router_init_std")},
          {"bias_balancing", moe.at("bias_balancing")}};
}

}  // namespace cli
