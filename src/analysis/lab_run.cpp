// SPDX-License-Identifier: Apache-2.0
#include "analysis/lab_run.hpp"

#include <algorithm>

#include "analysis/run_lines.hpp"
#include "minimoe/analysis/health.hpp"

namespace minimoe {
namespace {

constexpr std::uint64_t kMostRunSteps = std::uint64_t{1} << 40;

std::string read_verdict(const JsonCursor& verdict) {
  std::string word = verdict.text(), known;
  for (const Verdict v : {Verdict::kHealthy, Verdict::kUntested, Verdict::kSkewed, Verdict::kAtRisk, Verdict::kSham,
                          Verdict::kCollapsed}) {
    if (word == verdict_name(v)) return word;
    known += (known.empty() ? "" : ", ") + std::string(verdict_name(v));
  }
  verdict.refuse("one of " + known);
}

// The first layer that has the report's verdict decided it.
void read_health(LabRun& run, const JsonCursor& health) {
  if (health.is_null()) return;
  run.verdict = read_verdict(health.at("verdict"));
  for (const JsonCursor& layer : health.at("layers").items()) {
    if (read_verdict(layer.at("verdict")) != *run.verdict) continue;
    const JsonCursor windows = layer.find("windows");
    if (windows.is_null()) return;
    for (const JsonCursor& window : windows.items()) {
      const JsonCursor step = window.at("last_step");
      if (step.count() > kMostRunSteps) step.refuse("a step of 2^40 at most");
      run.judged.push_back({static_cast<std::int64_t>(step.count()), read_verdict(window.at("verdict"))});
    }
    run.judged_json = windows.json();
    return;
  }
  health.at("layers").refuse(concat("a layer with the verdict of all, \"", *run.verdict, "\""));
}

void read_samples(LabRun& run, const JsonCursor& lines, const std::vector<std::int64_t>& steps) {
  const std::vector<JsonCursor> items = lines.items();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const JsonCursor layers = items[i].find("interference");
    if (!layers.is_null()) {
      GradientSample sample = {steps[i], {}, layers.json()};
      for (const JsonCursor& layer : layers.items()) sample.main_norms.push_back(layer.at("main_norm").number());
      run.samples.push_back(std::move(sample));
    }
    const std::vector<std::string>& keys = items[i].keys();
    if (std::find(keys.begin(), keys.end(), "val_loss") == keys.end()) continue;
    const JsonCursor loss = items[i].find("val_loss");
    run.val_losses.push_back({steps[i], loss.is_null() ? "null" : json_of(loss.number())});
  }
}

}  // namespace

std::vector<std::string> lab_run_keys() { return {"config", "lines", "health", "val_loss"}; }

std::size_t read_window_size(const JsonCursor& size) {
  const std::uint64_t count = size.count();
  if (count < 1 || count > kMostRunSteps) size.refuse("a number of lines, 1..2^40");
  return static_cast<std::size_t>(count);
}

LabRun read_lab_run(const JsonCursor& json, std::size_t window) {
  LabRun run;
  const JsonCursor config = json.at("config"), moe = config.at("model").at("moe"), lines = json.at("lines");
  run.num_steps = config.at("train").at("steps").count();
  run.top_k = moe.at("top_k").count();
  if (run.top_k < 1) moe.at("top_k").refuse("1 or more");
  run.val_loss = json.at("val_loss").number();
  read_health(run, json.at("health"));
  const RunLines read = read_run_lines(lines, run.top_k);
  if (static_cast<std::uint64_t>(read.steps.back()) != run.num_steps) {
    lines.refuse(concat("lines up to step ", run.num_steps, " (train.steps), and the last is of step ",
                        read.steps.back(), ": the run is not finished"));
  }
  if (!read.layers.empty() && !run.verdict) json.at("health").refuse("the health report of a model with MoE layers");
  run.windows = router_windows(read, window, static_cast<std::size_t>(run.top_k));
  read_samples(run, lines, read.steps);
  return run;
}

std::string lab_run_json(const LabRun& run) {
  JsonWriter out;
  out.begin('{').member("val_loss", run.val_loss);
  out.raw_member("verdict", run.verdict ? json_of(*run.verdict) : "null");
  out.raw_member("verdict_windows", run.judged_json).begin("windows", '[');
  for (const RouterWindow& window : run.windows) write_router_window(out, window);
  out.end(']').begin("interference", '[');
  for (const GradientSample& sample : run.samples) {
    out.begin('{').member("step", sample.step).raw_member("layers", sample.layers).end('}');
  }
  out.end(']').begin("val_losses", '[');
  for (const ValidationLoss& val : run.val_losses) {
    out.begin('{').member("step", val.step).raw_member("loss", val.loss).end('}');
  }
  return out.end(']').end('}').text();
}

}  // namespace minimoe
