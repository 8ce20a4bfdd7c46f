// SPDX-License-Identifier: Apache-2.0
#include "report_directory.hpp"

#include <algorithm>

#include "atomic_file.hpp"
#include "exit_codes.hpp"
#include "json_text.hpp"
#include "metrics_lines.hpp"
#include "pictures.hpp"
#include "report_page.hpp"
#include "report_table.hpp"

namespace cli {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 32;

Json read_json(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return nullptr;
  try {
    return Json::parse(read_whole_file(path, kMaxBytes));
  } catch (const Json::exception& broken) {
    throw BadInput(path.string() + ": not JSON: " + broken.what());
  }
}

std::string read_text(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error) ? read_whole_file(path, kMaxBytes) : "";
}

// The runs of a comparison's first seed, in the order of the table; or the one run.
std::vector<std::pair<std::string, std::vector<Json>>> read_curves(const fs::path& directory, const Json& manifest,
                                                                   std::vector<Json> metrics,
                                                                   std::vector<std::string>& notes) {
  std::vector<std::pair<std::string, std::vector<Json>>> curves;
  if (manifest.is_object() && manifest.contains("seeds") && !manifest.at("seeds").empty()) {
    for (const char* title : {"dense", "moe", "dense-active", "dense-total"}) {
      const std::string run = std::string(title) + "-seed" + json_text(manifest.at("seeds").front());
      std::vector<Json> lines = metrics_lines(directory / "runs" / run / "metrics.jsonl", &notes);
      if (!lines.empty()) curves.emplace_back(title, std::move(lines));
    }
  }
  if (curves.empty() && !metrics.empty()) curves.emplace_back("run", std::move(metrics));
  return curves;
}

// Of the MoE run of the first seed, when the directory itself has none.
fs::path first_moe_run(const fs::path& directory, const Json& manifest) {
  if (!manifest.is_object() || !manifest.contains("seeds") || manifest.at("seeds").empty()) return directory;
  return directory / "runs" / ("moe-seed" + json_text(manifest.at("seeds").front()));
}

}  // namespace

std::vector<std::string> make_report(const fs::path& directory) {
  std::error_code error;
  if (!fs::is_directory(directory, error)) throw BadInput(directory.string() + ": no such directory");
  ReportParts parts;
  parts.manifest = read_json(directory / "manifest.json");
  const bool compared = !parts.manifest.is_null();
  if (!compared) parts.manifest = read_json(directory / "result.json");
  require_memory_for_metrics(directory / "metrics.jsonl");
  std::vector<Json> metrics = metrics_lines(directory / "metrics.jsonl", &parts.notes);
  if (!parts.manifest.is_null() && !parts.manifest.is_object()) {
    throw BadInput(directory.string() + (compared ? "/manifest.json" : "/result.json") + ": is no JSON object");
  }
  const fs::path routed = first_moe_run(directory, parts.manifest);
  for (const auto& [part, name] :
       {std::pair{&parts.health, "health.json"}, std::pair{&parts.specialisation, "specialisation.json"}}) {
    *part = read_json(directory / name);
    if (part->is_null()) *part = read_json(routed / name);
  }
  if (parts.health.is_null() && !compared && parts.manifest.is_object()) {
    parts.health = parts.manifest.value("health", Json());
  }
  if (metrics.empty()) require_memory_for_metrics(routed / "metrics.jsonl");
  if (metrics.empty()) metrics = metrics_lines(routed / "metrics.jsonl", &parts.notes);
  if (parts.manifest.is_null() && metrics.empty() && parts.specialisation.is_null()) {
    throw BadInput(directory.string() +
                   ": has neither manifest.json nor result.json, metrics.jsonl or specialisation.json to report");
  }
  for (const Drawn& drawn : {draw_routing_analysis(directory, metrics, parts.specialisation, parts.health),
                             draw_expert_by_class(directory, parts.specialisation)}) {
    if (!drawn.drawn) parts.notes.push_back(drawn.message);
  }
  parts.title = compared ? "Mixture of experts against dense" : metrics.empty() ? "Routing" : "Training run";
  parts.command = report_command(parts.manifest, directory.string());
  parts.table_text = report_table(parts.manifest);
  parts.curves = read_curves(directory, parts.manifest, std::move(metrics), parts.notes);
  parts.findings_markdown = read_text(directory / "findings.md");
  write_report(directory, parts);
  return parts.notes;
}

}  // namespace cli
