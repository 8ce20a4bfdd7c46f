// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <map>

#include "atomic_file.hpp"
#include "break_report.hpp"
#include "command.hpp"
#include "command_tree.hpp"
#include "config_options.hpp"
#include "exit_codes.hpp"
#include "interrupt.hpp"
#include "lab_run.hpp"
#include "nearest.hpp"
#include "run_directory.hpp"
#include "text_table.hpp"

namespace cli {

namespace {

namespace fs = std::filesystem;

struct BreakOptions {
  ConfigOptions config;
  ExecFlags exec;
  std::string name, out = "experiments/breaks";
  std::uint64_t num_seeds = 1, seed = 36000, eval_windows = 200;
  std::int64_t window = 50, log_interval = 50;
  bool force = false, json = false, quiet = false;
};

const Json& known_breaks() {
  static const Json breaks = Json::parse(capi::config_breaks());
  return breaks;
}

std::vector<Json> chosen_breaks(const std::string& name) {
  std::vector<Json> chosen;
  std::vector<std::string> names = {"all"};
  for (const Json& known : known_breaks()) {
    names.push_back(known.at("name"));
    if (name == "all" || name == known.at("name")) chosen.push_back(known);
  }
  if (chosen.empty()) {
    throw BadInput("break: '" + name + "' is no known break" + did_you_mean(name, names) + "; allowed " +
                   joined(names, ", "));
  }
  return chosen;
}

int list_breaks(bool json) {
  if (json) {
    std::printf("%s\n", json_text(known_breaks(), 2).c_str());
    return kOk;
  }
  for (const Json& b : known_breaks()) {
    const Json& change = b.at("change");
    std::printf("%-15s %s\n%-15s %s: %s (healthy) -> %s (broken)\n", b.at("name").get<std::string>().c_str(),
                b.at("concept").get<std::string>().c_str(), "", change.at("key").get<std::string>().c_str(),
                change.at("healthy").dump().c_str(), change.at("broken").dump().c_str());
  }
  std::printf("\nminimoe break NAME trains each beside its healthy twin; minimoe break all runs every one\n");
  return kOk;
}

Json findings_of_break(const Json& runs) {
  try {
    return Json::parse(capi::break_findings(json_text(runs)));
  } catch (const capi::Error& failure) {
    throw RunFailed(failure.what());
  }
}

// @param directories [seed][run]
Json with_directories(Json findings, const Json& directories) {
  for (std::size_t i = 0; i < directories.size(); ++i) {
    for (auto& [which, run] : findings["seeds"][i]["runs"].items()) {
      Json placed = {{"directory", directories.at(i).at(which)}};
      placed.update(run);
      run = std::move(placed);
    }
  }
  return findings;
}

// Trains what the breaks need, each configuration once: breaks share healthy and dense twins.
class Laboratory {
 public:
  Laboratory(const BreakOptions& options, const std::vector<Json>& breaks);

  /// As break_findings gives them, and the directories of the runs. Nothing when it was interrupted.
  Json run(const Json& definition);
  bool interrupted() const { return interrupted_; }
  const capi::Dataset& dataset() const { return *dataset_; }

 private:
  Json prepared(const Json& config, std::uint64_t seed) const;
  Json dense_twin(Json config) const;
  std::shared_ptr<const LabRun> trained(const std::string& title, const Json& config, const fs::path& weights,
                                        bool logs);

  const BreakOptions& options_;
  capi::Options exec_;
  std::optional<capi::Dataset> dataset_;
  Json floors_;
  std::map<std::string, std::shared_ptr<const LabRun>> runs_;
  bool interrupted_ = false;
};

fs::path run_directory(const BreakOptions& o, const std::string& title, std::uint64_t seed) {
  return fs::path(o.out) / "runs" / (title + "-seed" + std::to_string(seed));
}

Laboratory::Laboratory(const BreakOptions& options, const std::vector<Json>& breaks)
    : options_(options), exec_(options.exec.options()) {
  for (const Json& b : breaks) {
    const std::string key = b.at("change").at("key");
    if (options_.config.given(key)) {
      throw BadInput(key + " is what the break " + b.at("name").get<std::string>() + " changes; it cannot be given");
    }
  }
  const Json config = options_.config.resolve_over(breaks.front().at("healthy"));
  dataset_ = capi::Dataset::open(json_text(config));
  for (const Json& b : breaks) {
    for (const char* which : {"healthy", "broken", "fixed"}) {
      const Json fitted = prepared(b.at(which), options_.seed);
      require_validation_window(*dataset_, fitted);
      require_memory(run_costs(fitted, exec_));
    }
    for (std::uint64_t i = 0; i < options_.num_seeds; ++i) {
      for (const char* title : {"healthy", "broken", "fixed"}) {
        refuse_existing_outputs(
            run_directory(options_, b.at("name").get<std::string>() + "-" + title, options_.seed + i), options_.force,
            "use --force to replace it, or another --out");
      }
    }
  }
  if (!options_.force && fs::exists(fs::path(options_.out) / "breaks.md")) {
    throw BadInput(options_.out + " already holds breaks.md; use --force to replace it, or another --out");
  }
  floors_ = entropy_floors(*dataset_, config.at("train").at("seq_len"), options_.eval_windows);
}

Json Laboratory::prepared(const Json& config, std::uint64_t seed) const {
  Json resolved = options_.config.resolve_over(config);
  resolved["train"]["seed"] = seed;
  return Json::parse(dataset_->fit_config(json_text(resolved)));
}

// Without what only MoE layers look at, so that breaks of the same training share one.
Json Laboratory::dense_twin(Json config) const {
  config["model"]["moe"] = Json::parse(capi::config_preset("lab-dense")).at("model").at("moe");
  return config;
}

std::shared_ptr<const LabRun> Laboratory::trained(const std::string& title, const Json& config, const fs::path& weights,
                                                  bool logs) {
  const std::string key = json_text(config) + weights.string();
  if (const auto found = runs_.find(key); found != runs_.end()) {
    if (logs) std::printf("# %s: the same run as %s\n", title.c_str(), found->second->directory.c_str());
    return found->second;
  }
  RunRequest request{*dataset_, config, exec_};
  const std::uint64_t seed = config.at("train").at("seed");
  request.directory = run_directory(options_, title, seed);
  request.label = request.directory.filename().string();
  request.floors = floors_;
  request.evaluation = {options_.eval_windows, 0};
  request.quiet = options_.quiet;
  request.log = logs ? stdout : nullptr;
  request.log_interval = options_.log_interval;
  request.eval_interval = options_.window * 2;
  request.interference_interval = config.at("model").at("moe").at("layers").empty() ? 0 : options_.window;
  request.start_weights = weights;
  request.keeps_frozen_bias = false;
  if (logs) std::printf("# %s\n", request.label.c_str());
  std::fflush(stdout);
  auto done = std::make_shared<LabRun>(lab_run(std::move(request), interrupted_));
  if (interrupted_) return nullptr;
  runs_.emplace(key, done);
  return done;
}

Json Laboratory::run(const Json& definition) {
  const std::string name = definition.at("name");
  Json runs = {{"schema", "minimoe-break-runs/1"}, {"break", name}, {"window", options_.window}}, directories;
  for (std::uint64_t i = 0; i < options_.num_seeds; ++i) {
    const std::uint64_t seed = options_.seed + i;
    const bool logs = i == 0 && !options_.json;
    std::map<std::string, std::shared_ptr<const LabRun>> twins;
    const auto train = [&](const char* which, const Json& config, const fs::path& weights, bool logs_it) {
      return (twins[which] = trained(name + "-" + which, config, weights, logs_it)) != nullptr;
    };
    const Json healthy = prepared(definition.at("healthy"), seed);
    if (!train("healthy", healthy, {}, logs)) return {};
    if (!train("broken", prepared(definition.at("broken"), seed), {}, logs)) return {};
    if (!train("dense", dense_twin(healthy), {}, false)) return {};
    const fs::path weights = RunDirectory(twins.at("broken")->directory).checkpoint();
    if (!train("fixed", prepared(definition.at("fixed"), seed), weights, false)) return {};
    Json records;
    for (const auto& [which, run] : twins) {
      records[which] = run->record;
      directories[i][which] = run->directory.generic_string();
    }
    runs["seeds"].push_back({{"seed", seed}, {"runs", std::move(records)}});
  }
  return with_directories(findings_of_break(runs), directories);
}

// What was typed, without what names this machine's files.
std::string command_text(const BreakOptions& o) {
  std::string text = "minimoe break " + o.name;
  if (o.num_seeds != 1) text += " --seeds " + std::to_string(o.num_seeds);
  return o.config.given("data.corpus") ? text + " --corpus FILE" : text;
}

void write_reports(const BreakOptions& o, const Laboratory& laboratory, const std::vector<Json>& results) {
  const Json corpus = corpus_identity(laboratory.dataset());
  Json json = {{"schema", "minimoe-breaks/1"}, {"version", capi::version_string()}, {"corpus", corpus}};
  for (const Json& result : results) json["breaks"].push_back(result);
  try {
    write_file_atomically(fs::path(o.out) / "breaks.md",
                          breaks_markdown(results, command_text(o), corpus.at("name").get<std::string>()));
    write_file_atomically(fs::path(o.out) / "breaks.json", json_text(json, 2) + "\n");
  } catch (const BadInput& error) {
    throw RunFailed(error.what());
  }
  if (o.json) {
    std::printf("%s\n", json_text(json).c_str());
  } else {
    std::printf("\nwritten: %s/breaks.md, %s/breaks.json\n", o.out.c_str(), o.out.c_str());
  }
}

int run_breaks(const BreakOptions& o) {
  if (o.name.empty()) return list_breaks(o.json);
  const std::vector<Json> breaks = chosen_breaks(o.name);
  Laboratory laboratory(o, breaks);
  catch_interrupts();
  make_directories(o.out);
  remove_files({fs::path(o.out) / "breaks.md", fs::path(o.out) / "breaks.json"});  // tell of runs replaced from here on
  std::vector<Json> results;
  for (const Json& definition : breaks) {
    const Json& change = definition.at("change");
    if (!o.json) {
      std::printf("\n== %s: %s\n   %s: %s (healthy) -> %s (broken)\n", definition.at("name").get<std::string>().c_str(),
                  definition.at("concept").get<std::string>().c_str(), change.at("key").get<std::string>().c_str(),
                  change.at("healthy").dump().c_str(), change.at("broken").dump().c_str());
    }
    results.push_back(laboratory.run(definition));
    if (laboratory.interrupted()) {
      std::fprintf(stderr, "minimoe: interrupted; run it again with --force\n");
      return kInterrupted;
    }
    if (!o.json) std::printf("%s", break_text(results.back()).c_str());
  }
  write_reports(o, laboratory, results);
  return kOk;
}

}  // namespace

void add_break_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<BreakOptions>();
  CLI::App* command = program.add_subcommand(
      "break", "List named ways to break a router, or run one beside its healthy twin and see which signal tells");
  command->add_option("name", o->name, "a break, or all; without it they are listed")->type_name("NAME");
  o->config.add_to(*command, ConfigScope::kData);
  o->exec.add_to(*command);
  command->add_option("--seeds", o->num_seeds, "how many, from --first-seed on (default 1)")
      ->check(sane_range(std::uint64_t{1}, std::uint64_t{1000}))
      ->group("Run");
  command->add_option("--first-seed", o->seed, "of start values and training windows (default 36000)")->group("Run");
  command->add_option("--out", o->out, "directory (default experiments/breaks)")->group("Run");
  command->add_flag("--force", o->force, "replace earlier runs there")->group("Run");
  command->add_option("--log-interval", o->log_interval, "steps between log lines (default 50)")
      ->check(sane_range(std::int64_t{1}, std::int64_t{1} << 40))
      ->group("Run");
  command->add_option("--eval-windows", o->eval_windows, "windows of each validation; 0: all (default 200)")
      ->check(sane_range(std::int64_t{0}, std::int64_t{1} << 40))
      ->group("Run");
  command->add_flag("--json", o->json, "print one JSON document instead of logs and tables")->group("Run");
  command->add_flag("--quiet", o->quiet, "no progress")->group("Run");
  command->footer(kExitCodeHelp);
  command->callback([o, &action] { action = [o] { return run_breaks(*o); }; });
}

}  // namespace cli
