// SPDX-License-Identifier: Apache-2.0
#include "lab_run.hpp"

#include "metrics_lines.hpp"

namespace cli {

Json deciding_windows(const Json& health) {
  if (!health.is_object()) return Json::array();
  for (const Json& layer : health.at("layers")) {
    if (layer.at("verdict") == health.at("verdict")) return layer.value("windows", Json::array());
  }
  return Json::array();
}

std::string LabRun::verdict() const { return health.is_object() ? health.at("verdict").get<std::string>() : ""; }

std::string LabRun::verdict_at(std::int64_t step) const {
  std::string found;
  for (const Json& window : deciding_windows(health)) {
    if (window.at("last_step").get<std::int64_t>() <= step) found = window.at("verdict");
  }
  return found;
}

LabRun lab_run(RunRequest request, std::int64_t window, bool& interrupted) {
  const RunDirectory files(request.directory);
  LabRun done;
  done.directory = request.directory;
  {
    TrainingRun run(std::move(request));
    run.begin();
    interrupted = run.run() != RunOutcome::kFinished;
    if (interrupted) return done;
    done.result = run.result();
  }
  done.health = done.result.value("health", Json());
  done.lines = metrics_lines(files.metrics());
  done.windows = router_windows(done.lines, window);
  return done;
}

}  // namespace cli
