// SPDX-License-Identifier: Apache-2.0
// Runs of the router laboratory that never ran: four experts, one choice a token, ten lines at the steps 50 .. 500, so
// that two lines are a window and 500 steps are those of a break.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace invented {

using Json = nlohmann::ordered_json;

inline const std::vector<std::int64_t> kEven = {25, 25, 25, 25}, kOnOne = {97, 1, 1, 1};
inline const std::vector<double> kFlat = {0.25, 0.25, 0.25, 0.25}, kSharp = {0.97, 0.01, 0.01, 0.01};

inline Json layer(const std::vector<std::int64_t>& load, const std::vector<double>& probs,
                  const std::vector<std::int64_t>& dropped = {0, 0, 0, 0}) {
  return {{"block", 1}, {"load", load}, {"dropped", dropped}, {"mean_probs", probs}};
}

/// Even in every line; {"config", "lines", "health", "val_loss"}.
inline Json even_run(double val_loss = 1.5) {
  Json lines = Json::array(), windows = Json::array();
  for (int i = 1; i <= 10; ++i) {
    lines.push_back({{"step", 50 * i}, {"loss", 2.0}, {"aux_loss", 1.0}, {"layers", {layer(kEven, kFlat)}}});
    if (i % 2 == 0) windows.push_back({{"last_step", 50 * i}, {"verdict", "healthy"}});
  }
  return {{"config", {{"model", {{"moe", {{"top_k", 1}}}}}, {"train", {{"steps", 500}}}}},
          {"lines", lines},
          {"health", {{"verdict", "healthy"}, {"layers", {{{"verdict", "healthy"}, {"windows", windows}}}}}},
          {"val_loss", val_loss}};
}

inline Json dense_run(double val_loss = 1.5) {
  Json run = even_run(val_loss);
  for (Json& line : run["lines"]) line["layers"] = Json::array();
  run["health"] = nullptr;
  return run;
}

/// The verdict of a run and of its windows from `first` (0 is the first of five) on.
inline Json judged(Json run, const std::string& verdict, std::size_t first) {
  Json& layer = run["health"]["layers"][0];
  run["health"]["verdict"] = layer["verdict"] = verdict;
  for (std::size_t i = first; i < 5; ++i) layer["windows"][i]["verdict"] = verdict;
  return run;
}

/// One line's routing from line `first` on.
inline Json routed(Json run, std::size_t first, const std::vector<std::int64_t>& load,
                   const std::vector<double>& probs) {
  for (std::size_t i = first; i < 10; ++i) run["lines"][i]["layers"][0] = layer(load, probs);
  return run;
}

inline Json collapsed_run(double val_loss = 1.75) {
  return judged(routed(even_run(val_loss), 2, kOnOne, kSharp), "collapsed", 1);
}

inline Json seed(std::uint64_t number, const Json& broken) {
  return {{"seed", number},
          {"runs", {{"healthy", even_run()}, {"broken", broken}, {"dense", dense_run()}, {"fixed", even_run()}}}};
}

inline Json break_runs(const std::string& name, const Json& broken) {
  return {{"schema", "minimoe-break-runs/1"}, {"break", name}, {"window", 2}, {"seeds", {seed(7, broken)}}};
}

}  // namespace invented
