// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <optional>

#include "atomic_file.hpp"
#include "command.hpp"
#include "exit_codes.hpp"
#include "library.hpp"
#include "mapped_file.hpp"
#include "router_log.hpp"
#include "run_directory.hpp"

namespace cli {

namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;

// The verdict as an exit code; 2 stays bad input.
enum HealthCode : int { kIsHealthy = 0, kIsNotHealthy = 1, kIsUntested = 3 };

constexpr const char* kHealthCodeHelp =
    "The file has one JSON object a line, of any router: {\"step\": 10, \"layer\": 0, \"top_k\": 2, \"load\": [..E "
    "counts..],\n\"mean_probs\": [..E..], \"num_dropped\": 0, \"num_steps\": 10}, the last three optional; a line sums "
    "its num_steps steps.\n"
    "Exit codes:\n"
    "  0  healthy\n"
    "  1  not healthy: skewed, at-risk, collapsed or sham\n"
    "  2  bad input: an option, or the line of the file that no router can have written\n"
    "  3  untested: too early, too few tokens, or nothing to judge\n";

struct Threshold {
  const char* flag;
  const char* key;
  double most;
  const char* help;
};
constexpr Threshold kThresholds[] = {
    {"--collapsed-below", "collapsed_below", 1, "collapsed: distance of the effective experts (default 0.4)"},
    {"--skewed-below", "skewed_below", 1, "skewed: distance of the effective experts (default 0.8)"},
    {"--always-chosen-above", "always_chosen_above", 1, "collapsed: max_share of one expert (default 0.9)"},
    {"--often-chosen-above", "often_chosen_above", 1, "skewed: max_share of one expert (default 0.6)"},
    {"--overloaded-above", "overloaded_above", 4096, "skewed: max_violation (default 3)"},
    {"--gate-collapsed-below", "gate_collapsed_below", 1, "sham: distance of the gate mass (default 0.45)"},
    {"--gate-excess-above", "gate_excess_above", 1, "sham: gate mass beyond the share of counts (default 0.25)"},
    {"--gate-gap-above", "gate_gap_above", 1, "sham: gate mass and counts this far apart (default 0.35)"},
    {"--drop-rate-above", "drop_rate_above", 1, "skewed: share of assignments dropped (default 0.05)"},
    {"--cold-below", "cold_below", 1, "skewed: an expert below this part of an even share (default 0.1)"},
    {"--hot-above", "hot_above", 4096, "hot: an expert above this multiple of an even share (default 1.25)"},
    {"--chance-above", "chance_above", 1, "untested: what chance does as often (default 1e-6)"},
    {"--early-share-above", "early_share_above", 1, "at-risk: max_share soon after the warm-up (default 0.85)"},
    {"--falling-above", "falling_above", 1, "at-risk: loss of distance over four windows (default 0.15)"},
};

struct HealthFlags {
  std::string file;
  std::optional<std::int64_t> window, warmup, settle_steps;
  std::optional<double> thresholds[std::size(kThresholds)];
  bool json = false;
};

// A run directory says by itself what a bare log cannot.
RunLog log_of_run(const std::string& file, Json& options) {
  std::error_code error;
  const RunDirectory run(file);
  const std::string runs =
      std::filesystem::is_directory(file + "/runs", error) ? "; its runs are in " + file + "/runs" : "";
  if (!std::filesystem::exists(run.config(), error)) throw BadInput(file + ": has no config.json of a run" + runs);
  const Json config = Json::parse(read_whole_file(run.config(), kMaxConfigBytes), nullptr, false);
  try {
    options = health_options_of(config);
    RunLog log = router_log_of_run(run.metrics(), config.at("model").at("moe").at("top_k"));
    if (!log.note.empty()) std::fprintf(stderr, "minimoe: note: %s\n", log.note.c_str());
    if (!log.text.empty()) return log;
  } catch (const Json::exception&) {
    throw BadInput(run.config().string() + ": is no configuration of a run" + runs);
  }
  throw BadInput(file + ": a run without an MoE layer, or without a step, has no routers to judge");
}

// The metrics of a run are no router log, but may well be taken for one.
std::string hint(std::string_view log, const std::string& file) {
  if (log.substr(0, log.find('\n')).find("\"layers\"") == log.npos) return "";
  const std::string run = std::filesystem::path(file).parent_path().string();
  return "; these are the metrics of a run, which is judged by its directory: minimoe health " +
         (run.empty() ? std::string(".") : run);
}

int health(const HealthFlags& flags) {
  Json options = Json::object();
  std::error_code error;
  std::optional<RunLog> of_run;
  std::optional<MappedFile> file;
  if (std::filesystem::is_directory(flags.file, error)) {
    of_run = log_of_run(flags.file, options);
  } else {
    file.emplace(flags.file);
  }
  const std::string_view log = file ? file->text() : std::string_view(of_run->text);
  if (flags.window) options["window"] = *flags.window;
  if (flags.warmup) options["warmup"] = *flags.warmup;
  if (flags.settle_steps) options["settle_steps"] = *flags.settle_steps;
  for (std::size_t i = 0; i < std::size(kThresholds); ++i) {
    if (flags.thresholds[i]) options[kThresholds[i].key] = *flags.thresholds[i];
  }
  std::string report;
  try {
    report = capi::health_check(log, json_text(options));
  } catch (const capi::Error& failure) {
    if (failure.status() != MINIMOE_E_INVALID_ARGUMENT) throw;
    if (of_run) throw BadInput(of_run->about_metrics(failure.what(), RunDirectory(flags.file).metrics()));
    throw BadInput(flags.file + ": " + failure.what() + hint(log, flags.file));
  }
  const Json document = Json::parse(report);
  if (flags.json) {
    std::printf("%s\n", report.c_str());
  } else {
    std::printf("%s", document.at("text").get<std::string>().c_str());
  }
  const std::string verdict = document.at("verdict");
  return verdict == "healthy" ? kIsHealthy : verdict == "untested" ? kIsUntested : kIsNotHealthy;
}

}  // namespace

void add_health_command(CLI::App& program, Action& action) {
  const auto flags = std::make_shared<HealthFlags>();
  CLI::App* command =
      program.add_subcommand("health", "Judge routers by their log: collapse, skew, sham balance, drops");
  command->add_option("log", flags->file, "router log (.jsonl), or a run directory of this program")->required();
  const auto natural = sane_range(std::int64_t{0}, std::int64_t{1} << 40);
  command->add_option("--window", flags->window, "steps that a verdict looks at (default 50)")
      ->check(sane_range(std::int64_t{1}, std::int64_t{1} << 40));
  command
      ->add_option("--warmup", flags->warmup, "steps of learning-rate warm-up, not judged (default 50; a run: its own)")
      ->check(natural);
  command->add_option("--settle-steps", flags->settle_steps, "steps after it before the first verdict (default 50)")
      ->check(natural);
  for (std::size_t i = 0; i < std::size(kThresholds); ++i) {
    const Threshold& t = kThresholds[i];
    command->add_option(t.flag, flags->thresholds[i], t.help)->check(sane_range(0.0, t.most))->group("Thresholds");
  }
  command->add_flag("--json", flags->json, "print one JSON document");
  command->footer(kHealthCodeHelp);
  command->callback([flags, &action] { action = [flags] { return health(*flags); }; });
}

}  // namespace cli
