// SPDX-License-Identifier: Apache-2.0
#include "comparison_artifacts.hpp"

#include <algorithm>

#include "atomic_file.hpp"
#include "exit_codes.hpp"
#include "interrupt.hpp"
#include "metrics_lines.hpp"
#include "report_directory.hpp"
#include "run_directory.hpp"

namespace cli {

namespace fs = std::filesystem;

namespace {

void write(const fs::path& path, const std::string& content) {
  try {
    write_file_atomically(path, content);
  } catch (const BadInput& error) {
    throw RunFailed(error.what());
  }
}

}  // namespace

std::vector<Json> measure_specialisation(const Comparison& c, const capi::Dataset& dataset,
                                         const capi::Options& options, const std::vector<fs::path>& moe_runs,
                                         std::uint64_t max_windows) {
  std::vector<Json> reports;
  const std::uint64_t all = dataset.num_windows("val", c.config.at("train").at("seq_len"));
  if (std::min(all, max_windows == 0 ? all : max_windows) < 2) return reports;  // its intervals resample windows
  for (std::size_t s = 0; s < moe_runs.size(); ++s) {
    Json config = c.config;
    config["train"]["seed"] = c.seeds[s];
    capi::Model model(json_text(config), options);
    model.load_weights((moe_runs[s] / "checkpoint.safetensors").string());
    const Json request = {{"max_windows", max_windows}};
    reports.push_back(Json::parse(model.specialisation(dataset, "val", json_text(request), &interrupt_token())));
    write(moe_runs[s] / "specialisation.json", json_text(reports.back(), 2) + "\n");
  }
  return reports;
}

std::string comparison_metrics(const std::vector<std::vector<fs::path>>& runs) {
  const fs::path& first_moe = runs.at(1).front();
  std::vector<Json> lines = metrics_lines(first_moe / "metrics.jsonl");
  for (Json& line : lines) line["losses"] = Json::object();
  for (const std::vector<fs::path>& of_variant : runs) {
    for (const fs::path& run : of_variant) {
      const std::string name = run.filename().string();
      read_metrics(run / "metrics.jsonl", [&](const Json& line, std::size_t number) {
        if (number > lines.size()) return;
        Json& all = lines[number - 1];
        all["losses"][name] = line.at("loss");
        if (run == first_moe || line.at("layers").empty()) return;
        all["routers"][name] = {{"aux_loss", line.at("aux_loss")}, {"layers", line.at("layers")}};
      });
    }
  }
  std::string text;
  for (const Json& line : lines) text += json_text(line) + "\n";
  return text;
}

std::vector<std::string> write_artifacts(const fs::path& out, const Comparison& c, const Json& manifest,
                                         const std::string& metrics) {
  const std::string findings = capi::compare_findings(json_text(manifest));
  write(out / "metrics.jsonl", metrics);
  if (!c.specialisation.empty()) {
    write(out / "specialisation.json", json_text(c.specialisation.front(), 2) + "\n");
  }
  write(out / "findings.md", findings);
  write(out / "manifest.json", json_text(manifest, 2) + "\n");
  try {
    return make_report(out);
  } catch (const BadInput& error) {
    throw RunFailed(error.what());
  }
}

void remove_artifacts(const fs::path& out) {
  remove_files({out / "manifest.json", out / "metrics.jsonl"});
  remove_files(derived_files(out));
}

}  // namespace cli
