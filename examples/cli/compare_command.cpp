// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <set>

#include "atomic_file.hpp"
#include "command.hpp"
#include "comparison.hpp"
#include "config_options.hpp"
#include "exit_codes.hpp"
#include "interrupt.hpp"
#include "training_run.hpp"

namespace cli {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxJsonBytes = 1 << 26;
constexpr std::uint64_t kMaxSeeds = 1000;

struct CompareOptions {
  ConfigOptions config;
  ExecFlags exec;
  std::string out = "experiments/36-moe-on-grammar-tutor", seeds = "3";
  bool lab = false, force = false, resume = false, json = false, quiet = false;
  std::int64_t log_interval = 200;
  EvaluationSize evaluation{200, 500};
};

// "3": that many from --seed on; "36000,36005": these.
std::vector<std::uint64_t> parse_seeds(const std::string& text, std::uint64_t first) {
  std::vector<std::uint64_t> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (;;) {
    std::uint64_t number = 0;
    const auto [stop, error] = std::from_chars(at, end, number);
    if (error != std::errc() || (stop != end && *stop != ',')) {
      throw BadInput("--seeds: '" + text + "' is neither a count nor a list like 36000,36001");
    }
    numbers.push_back(number);
    if (stop == end) break;
    at = stop + 1;
  }
  if (numbers.size() > 1) {
    if (std::set<std::uint64_t>(numbers.begin(), numbers.end()).size() != numbers.size()) {
      throw BadInput("--seeds: " + text + " names a seed twice");
    }
    return numbers;
  }
  const std::uint64_t count = numbers.front();
  if (count < 1 || count > kMaxSeeds) {
    throw BadInput("--seeds: " + text + ", allowed a count of 1.." + std::to_string(kMaxSeeds) + " or a list of seeds");
  }
  numbers.clear();
  for (std::uint64_t i = 0; i < count; ++i) numbers.push_back(first + i);
  return numbers;
}

Json with_seed(Json config, std::uint64_t seed) {
  config["train"]["seed"] = seed;
  return config;
}

Json read_json(const fs::path& path) { return Json::parse(read_whole_file(path, kMaxJsonBytes), nullptr, false); }

// Either finished (its result), or the way to go on: from its checkpoint, or from the start.
struct EarlierRun {
  Json result;
  bool resumable = false;
};

EarlierRun earlier_run(const RunDirectory& files, const Json& config) {
  std::error_code error;
  EarlierRun earlier;
  if (!fs::exists(files.config(), error) || read_json(files.config()) != config) return earlier;
  if (fs::exists(files.result(), error)) {
    const Json result = read_json(files.result());
    if (result.is_object() && result.contains("splits")) earlier.result = result;
  }
  earlier.resumable = fs::exists(files.checkpoint(), error);
  return earlier;
}

void print_results(const CompareOptions& o, const Comparison& comparison, const Json& manifest) {
  if (o.json) {
    std::printf("%s\n", json_text(manifest).c_str());
    return;
  }
  const auto mean_val_loss = [&](std::size_t v) {
    return figure(figures_of(comparison.results[v]), "final_val_loss").spread.mean;
  };
  std::printf("\n%s\nmean ± standard deviation over %zu seeds, %s steps each; written to %s\n",
              comparison_table(comparison).c_str(), comparison.seeds.size(),
              comparison.config.at("train").at("steps").dump().c_str(), o.out.c_str());
  std::printf("val_loss=%.3f  (dense_baseline=%.3f)\n", mean_val_loss(1), mean_val_loss(0));
}

int compare(const CompareOptions& o) {
  if (o.force && o.resume) throw BadInput("--force and --resume exclude each other");
  if (o.lab && (o.config.given() || o.seeds != "3")) {
    throw BadInput(
        "--lab is the whole protocol, and takes no --seeds, --set, --config or model, training or data option");
  }
  Json config = o.config.resolve();
  const std::vector<std::uint64_t> seeds = parse_seeds(o.seeds, config.at("train").at("seed"));
  config = with_seed(config, seeds.front());
  refuse_existing_outputs(o.out, o.force || o.resume,
                          "use --force to replace it, --resume to complete it, or another --out");
  const core::Dataset dataset = core::Dataset::open(json_text(config));
  config = Json::parse(dataset.fit_config(json_text(config)));
  const std::size_t seq_len = config.at("train").at("seq_len");
  if (dataset.num_eval_windows("val", seq_len) == 0) {
    throw BadInput(Json::parse(dataset.info()).at("name").get<std::string>() +
                   ": the validation part is shorter than one window of train.seq_len + 1 = " +
                   std::to_string(seq_len + 1) + " tokens");
  }
  const std::string exec = o.exec.exec_json();
  Comparison comparison;
  comparison.seeds = seeds;
  comparison.variants = comparison_variants(config, exec);
  comparison.config = config;
  comparison.results.resize(comparison.variants.size());
  comparison.corpus = corpus_identity(dataset);
  comparison.evaluation = {{"max_windows", o.evaluation.max_windows}, {"max_probes", o.evaluation.max_probes}};
  for (const Variant& variant : comparison.variants) require_memory(variant.costs);

  const fs::path out = o.out;
  const Json protocol = {{"config", config}, {"seeds", seeds}, {"evaluation", comparison.evaluation}};
  if (o.resume && read_json(out / "config.json") != protocol) {
    throw BadInput("--resume: " + (out / "config.json").string() +
                   " holds another comparison; give the options that it was begun with");
  }
  comparison.floors = entropy_floors(dataset, seq_len, o.evaluation.max_windows);
  catch_interrupts();
  if (!o.json) {
    std::printf("%s", run_summary(config, dataset, exec, comparison.floors).c_str());
    std::printf("%s", log_header(config).c_str());
    std::fflush(stdout);
  }

  bool begun = o.resume;
  const std::size_t num_runs = seeds.size() * comparison.variants.size();
  std::size_t run_number = 0;
  for (const std::uint64_t seed : seeds) {
    for (std::size_t v = 0; v < comparison.variants.size(); ++v) {
      const Variant& variant = comparison.variants[v];
      RunRequest request{dataset, with_seed(variant.config, seed), exec};
      request.directory = out / "runs" / (variant.title + "-seed" + std::to_string(seed));
      request.label = variant.title + " seed " + std::to_string(seed) + " (run " + std::to_string(++run_number) +
                      " of " + std::to_string(num_runs) + ")";
      request.floors = comparison.floors;
      request.evaluation = o.evaluation;
      request.quiet = o.quiet;
      request.log_interval = o.log_interval;
      if (variant.title == "moe" && !o.json) request.log = stdout;
      if (o.resume) {
        const EarlierRun earlier = earlier_run(RunDirectory(request.directory), request.config);
        if (!earlier.result.is_null() && earlier.result.value("corpus", Json()) == comparison.corpus) {
          comparison.results[v].push_back(earlier.result);
          continue;
        }
        request.resume = earlier.resumable;
      }
      if (request.log) std::printf("# %s\n", request.label.c_str());
      TrainingRun run(std::move(request));
      if (!begun) {
        make_directories(out);
        write_file_atomically(out / "config.json", json_text(protocol, 2) + "\n");
        std::error_code error;
        fs::remove(out / "manifest.json", error);
        begun = true;
      }
      if (run.run() != RunOutcome::kFinished) {
        std::fprintf(stderr,
                     "minimoe: interrupted, saved; go on with the same options and --resume instead of --force\n");
        return kInterrupted;
      }
      comparison.results[v].push_back(run.result());
    }
  }
  comparison.exec = comparison.results.front().front().at("exec");
  const Json manifest = comparison_manifest(comparison);
  try {
    write_file_atomically(out / "manifest.json", json_text(manifest, 2) + "\n");
  } catch (const BadInput& error) {
    throw RunFailed(error.what());
  }
  print_results(o, comparison, manifest);
  return kOk;
}

}  // namespace

void add_compare_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<CompareOptions>();
  CLI::App* command = program.add_subcommand(
      "compare", "Train dense and MoE models side by side over several seeds, and tell them apart");
  o->config.add_to(*command, ConfigScope::kAll);
  o->exec.add_to(*command);
  const auto natural = CLI::Range(std::int64_t{0}, std::int64_t{1} << 40);
  command->add_flag("--lab", o->lab, "the whole lab protocol: 5,000 steps, seeds 36000 to 36002")->group("Run");
  command->add_option("--seeds", o->seeds, "how many, from --seed on (default 3), or a list: 36000,36005")
      ->group("Run");
  command->add_option("--out", o->out, "directory (default experiments/36-moe-on-grammar-tutor)")->group("Run");
  command->add_flag("--force", o->force, "replace an existing comparison")->group("Run");
  command->add_flag("--resume", o->resume, "complete an interrupted comparison")->group("Run");
  command->add_option("--log-interval", o->log_interval, "steps between log lines of MoE runs (default 200)")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->group("Run");
  command->add_option("--eval-windows", o->evaluation.max_windows, "windows of each evaluation; 0: all (default 200)")
      ->check(natural)
      ->group("Run");
  command->add_option("--max-probes", o->evaluation.max_probes, "questions of a split (default 500)")
      ->check(natural)
      ->group("Run");
  command->add_flag("--json", o->json, "print the manifest instead of log lines and table")->group("Run");
  command->add_flag("--quiet", o->quiet, "no progress")->group("Run");
  command->footer(kExitCodeHelp);
  command->callback([o, &action] { action = [o] { return compare(*o); }; });
}

}  // namespace cli
