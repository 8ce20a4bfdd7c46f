// SPDX-License-Identifier: Apache-2.0
#include "lab_run.hpp"

#include "exit_codes.hpp"
#include "metrics_lines.hpp"

namespace cli {

namespace {

Json members_of(const Json& object, std::initializer_list<const char*> keys) {
  Json some = Json::object();
  for (const char* key : keys) {
    if (object.contains(key)) some[key] = object.at(key);
  }
  return some;
}

// What the library reads of a line; the rest would take as much memory again.
Json read_part(const Json& line) {
  Json part = members_of(line, {"step", "loss", "aux_loss", "interference", "val_loss"});
  part["layers"] = Json::array();
  for (const Json& layer : line.at("layers")) {
    part["layers"].push_back(members_of(layer, {"block", "load", "dropped", "mean_probs"}));
  }
  return part;
}

}  // namespace

LabRun lab_run(RunRequest request, bool& interrupted) {
  const RunDirectory files(request.directory);
  LabRun done;
  done.directory = request.directory;
  done.record = {{"config", request.config}, {"lines", Json::array()}};
  {
    TrainingRun run(std::move(request));
    run.begin();
    interrupted = run.run() != RunOutcome::kFinished;
    if (interrupted) return done;
    done.result = run.result();
  }
  for (const Json& line : metrics_lines(files.metrics())) done.record["lines"].push_back(read_part(line));
  done.record["health"] = done.result.value("health", Json());
  done.record["val_loss"] = done.result.at("val_loss");
  return done;
}

Json findings_of(const LabRun& run, std::int64_t window) {
  Json record = run.record;
  record["window"] = window;
  try {
    return Json::parse(capi::run_findings(json_text(record)));
  } catch (const capi::Error& failure) {
    throw RunFailed(failure.what());
  }
}

}  // namespace cli
