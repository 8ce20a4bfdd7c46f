// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <set>

#include "atomic_file.hpp"
#include "balance_comparison.hpp"
#include "command.hpp"
#include "comparison.hpp"
#include "comparison_artifacts.hpp"
#include "comparison_check.hpp"
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
  std::string metrics = "jsonl";
  std::string balance;  ///< of --balance: another comparison
  std::int64_t interference_interval = 50;
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

// A result counts when this version took it from the same data in the same way, and when its weights and metrics are
// there for what is measured afterwards; else it is taken again.
EarlierRun earlier_run(const RunDirectory& files, const Json& config, const Comparison& comparison) {
  std::error_code error;
  EarlierRun earlier;
  if (!fs::exists(files.config(), error) || read_json(files.config()) != config) return earlier;
  earlier.resumable = fs::exists(files.checkpoint(), error) && fs::exists(files.metrics(), error);
  if (earlier.resumable && fs::exists(files.result(), error)) {
    const Json result = read_json(files.result());
    const bool same = result.is_object() && result.contains("splits") &&
                      result.value("corpus", Json()) == comparison.corpus &&
                      result.value("evaluation", Json()) == comparison.evaluation &&
                      result.value("version", Json()) == capi::version_string();
    if (same) earlier.result = result;
  }
  return earlier;
}

fs::path run_path(const CompareOptions& o, const Variant& variant, std::uint64_t seed) {
  return fs::path(o.out) / "runs" / (variant.title + "-seed" + std::to_string(seed));
}

// The run directories that `seeds` have in this comparison.
std::vector<fs::path> run_paths(const CompareOptions& o, const Comparison& comparison, const Json& seeds) {
  std::vector<fs::path> paths;
  for (const Json& seed : seeds) {
    if (!seed.is_number_unsigned()) continue;
    for (const Variant& variant : comparison.variants) paths.push_back(run_path(o, variant, seed.get<std::uint64_t>()));
  }
  return paths;
}

void print_results(const CompareOptions& o, const Comparison& comparison, const Json& manifest) {
  if (o.json) {
    std::printf("%s\n", json_text(manifest).c_str());
    return;
  }
  const auto mean_val_loss = [&](std::size_t v) {
    return figure(figures_of(comparison.results[v]), "final_val_loss").spread.mean;
  };
  const std::size_t num_seeds = comparison.seeds.size();
  const std::string seeds =
      num_seeds == 1 ? "one seed" : "mean ± standard deviation over " + std::to_string(num_seeds) + " seeds";
  std::printf("\n%s\n%s, %s steps each; written to %s\n", comparison_table(comparison).c_str(), seeds.c_str(),
              comparison.config.at("train").at("steps").dump().c_str(), o.out.c_str());
  std::printf("%s", verdict_lines(comparison.verdict).c_str());
  std::printf("val_loss=%.3f  (dense_baseline=%.3f)\n", mean_val_loss(1), mean_val_loss(0));
}

// Everything that is known before the first step.
struct Job {
  capi::Dataset dataset;
  capi::Options options;
  Comparison comparison;
  Json protocol;  ///< what a resumed comparison must agree in
};

Job prepare(const CompareOptions& o) {
  if (o.force && o.resume) throw BadInput("--force and --resume exclude each other");
  if (o.lab && (o.config.given() || o.seeds != "3")) {
    throw BadInput(
        "--lab is the whole protocol, and takes no --seeds, --set, --config or model, training or data option");
  }
  Json config = o.config.resolve();
  const std::vector<std::uint64_t> seeds = parse_seeds(o.seeds, config.at("train").at("seed"));
  config = with_seed(config, seeds.front());
  const char* remedy = "use --force to replace it, --resume to complete it, or another --out";
  refuse_existing_outputs(o.out, o.force || o.resume, remedy);
  Job job{capi::Dataset::open(json_text(config)), o.exec.options(), {}, {}};
  Comparison& c = job.comparison;
  c.config = Json::parse(job.dataset.fit_config(json_text(config)));
  require_validation_window(job.dataset, c.config);
  c.seeds = seeds;
  c.variants = comparison_variants(c.config, job.options);
  for (const Variant& variant : c.variants) require_memory(variant.costs);
  for (const fs::path& path : run_paths(o, c, seeds)) refuse_existing_outputs(path, o.force || o.resume, remedy);
  c.results.resize(c.variants.size());
  c.corpus = corpus_identity(job.dataset);
  c.evaluation = evaluation_json(o.evaluation);
  job.protocol = {{"config", c.config}, {"seeds", seeds}, {"evaluation", c.evaluation}};
  const fs::path saved = fs::path(o.out) / "config.json";
  if (o.resume && read_json(saved) != job.protocol) {
    throw BadInput("--resume: " + saved.string() +
                   " holds another comparison; give the options that it was begun with");
  }
  c.floors = entropy_floors(job.dataset, c.config.at("train").at("seq_len"), o.evaluation.max_windows);
  return job;
}

RunRequest request_of(const CompareOptions& o, const Job& job, const Variant& variant, std::uint64_t seed) {
  RunRequest request{job.dataset, with_seed(variant.config, seed), job.options};
  request.directory = run_path(o, variant, seed);
  request.label = request.directory.filename().string();
  request.floors = job.comparison.floors;
  request.evaluation = o.evaluation;
  request.quiet = o.quiet;
  request.log_interval = o.log_interval;
  request.metrics = metrics_formats(o.metrics);
  if (variant.key == "moe_variant" && !o.json) request.log = stdout;
  return request;
}

// Config.json stays until its runs are gone: a removal cut short can be completed, and no --resume of the next
// comparison finds runs of this one.
void remove_earlier_comparison(const CompareOptions& o, const Job& job) {
  remove_artifacts(o.out);
  const fs::path config = fs::path(o.out) / "config.json";
  std::error_code error;
  const Json earlier = fs::exists(config, error) ? read_json(config) : Json();
  const Json seeds = {job.comparison.seeds, earlier.is_object() ? earlier.value("seeds", Json()) : Json()};
  for (const Json& some : seeds) {
    for (const fs::path& path : run_paths(o, job.comparison, some)) RunDirectory(path).remove();
  }
}

// From here on an earlier comparison in this directory is replaced.
void begin(const CompareOptions& o, const Job& job) {
  make_directories(o.out);
  if (!o.resume) {
    remove_earlier_comparison(o, job);
    write_file_atomically(fs::path(o.out) / "config.json", json_text(job.protocol, 2) + "\n");
  }
  if (o.json) return;
  const Comparison& c = job.comparison;
  std::printf("%s%s", run_summary(c.config, job.dataset, job.options, c.floors).c_str(), log_header(c.config).c_str());
}

// False: interrupted.
bool run_all(const CompareOptions& o, Job& job) {
  Comparison& c = job.comparison;
  const std::size_t num_runs = c.seeds.size() * c.variants.size();
  std::size_t number = 0;
  bool begun = false;
  for (const std::uint64_t seed : c.seeds) {
    for (std::size_t v = 0; v < c.variants.size(); ++v) {
      RunRequest request = request_of(o, job, c.variants[v], seed);
      request.label += " (run " + std::to_string(++number) + " of " + std::to_string(num_runs) + ")";
      const std::string log_title = request.log ? "# " + request.label + "\n" : "";
      if (o.resume) {
        const EarlierRun earlier = earlier_run(RunDirectory(request.directory), request.config, c);
        if (!earlier.result.is_null()) {
          c.results[v].push_back(earlier.result);
          continue;
        }
        request.resume = earlier.resumable;
      }
      TrainingRun run(std::move(request));
      if (!begun) begin(o, job);
      begun = true;
      run.begin();
      std::printf("%s", log_title.c_str());
      std::fflush(stdout);
      if (run.run() != RunOutcome::kFinished) return false;
      c.results[v].push_back(run.result());
    }
  }
  c.exec = c.results.front().front().at("exec");
  return true;
}

int interrupted() {
  std::fprintf(stderr, "minimoe: interrupted, saved; go on with the same options and --resume instead of --force\n");
  return kInterrupted;
}

int compare(const CompareOptions& o, bool with_results = true) {
  Job job = prepare(o);
  catch_interrupts();
  if (!run_all(o, job)) return interrupted();
  Comparison& c = job.comparison;
  c.verdict = judge(c);
  std::vector<std::vector<fs::path>> runs;
  for (const Variant& variant : c.variants) {
    runs.emplace_back();
    for (const std::uint64_t seed : c.seeds) runs.back().push_back(run_path(o, variant, seed));
  }
  try {
    c.specialisation = measure_specialisation(c, job.dataset, job.options, runs[1], o.evaluation.max_windows);
  } catch (const capi::Error& failure) {
    if (failure.status() == MINIMOE_E_CANCELLED) return interrupted();
    throw RunFailed(failure.what());
  }
  const Json manifest = comparison_manifest(c);
  for (const std::string& note : write_artifacts(o.out, c, manifest, comparison_metrics(runs))) {
    std::fprintf(stderr, "minimoe: note: %s\n", note.c_str());
  }
  if (with_results) print_results(o, c, manifest);
  return kOk;
}

// Holds a comparison against what the project measured; trains it first when it is not there.
int check(const CompareOptions& options, const std::string& directory) {
  CompareOptions o = options;
  if (!o.lab) throw BadInput("--check holds the lab protocol against the project's figures; give --lab with it");
  if (!directory.empty()) o.out = directory;
  require_expected_ranges();
  std::error_code error;
  if (!fs::exists(fs::path(o.out) / "manifest.json", error)) {
    const bool with_results = !o.json;  // one JSON document: that of the check
    if (const int code = compare(o, with_results); code != kOk) return code;
  }
  return check_comparison(o.out, o.json) ? kOk : kRunFailed;
}

// Routers balanced in several ways instead of MoE beside dense.
int compare_balance(const CompareOptions& o, bool own_directory) {
  if (o.lab || o.resume) throw BadInput("--balance is a comparison of its own, and takes neither --lab nor --resume");
  BalanceRequest request;
  request.config = o.config.resolve();
  request.kinds = o.balance;
  request.seeds = parse_seeds(o.seeds, request.config.at("train").at("seed"));
  request.options = o.exec.options();
  request.out = own_directory ? o.out : "experiments/balance";
  request.force = o.force;
  request.json = o.json;
  request.quiet = o.quiet;
  request.log_interval = o.log_interval;
  request.metrics = metrics_formats(o.metrics);
  request.interference_interval = o.interference_interval;
  request.evaluation = o.evaluation;
  return compare_balancers(request);
}

}  // namespace

void add_compare_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<CompareOptions>();
  CLI::App* command = program.add_subcommand(
      "compare", "Train dense and MoE models side by side over several seeds, and tell them apart");
  o->config.add_to(*command, ConfigScope::kAll);
  o->exec.add_to(*command);
  const auto natural = sane_range(std::int64_t{0}, std::int64_t{1} << 40);
  command->add_flag("--lab", o->lab, "the whole lab protocol: 5,000 steps, seeds 36000 to 36002")->group("Run");
  const auto checked = std::make_shared<std::string>();
  command
      ->add_option(
          "--check", *checked,
          "with --lab: say for each figure whether the comparison in DIR (default: of --out; trained when it is "
          "not there) lies within the range that the project measured; exit code 1 when one does not")
      ->type_name("DIR")
      ->expected(0, 1)
      ->group("Run");
  command->add_option("--seeds", o->seeds, "how many, from --seed on (default 3), or a list: 36000,36005")
      ->group("Run");
  command->add_option("--out", o->out, "directory (default experiments/36-moe-on-grammar-tutor)")->group("Run");
  command->add_flag("--force", o->force, "replace an existing comparison")->group("Run");
  command->add_flag("--resume", o->resume, "complete an interrupted comparison")->group("Run");
  command->add_option("--log-interval", o->log_interval, "steps between log lines of MoE runs (default 200)")
      ->check(sane_range(std::int64_t{1}, std::int64_t{1} << 40))
      ->group("Run");
  command->add_option("--metrics", o->metrics, kMetricsHelp)->type_name("LIST")->group("Run");
  command->add_option("--eval-windows", o->evaluation.max_windows, "windows of each evaluation; 0: all (default 200)")
      ->check(natural)
      ->group("Run");
  command->add_option("--max-probes", o->evaluation.max_probes, "questions of a split (default 500)")
      ->check(natural)
      ->group("Run");
  command->add_flag("--json", o->json, "print the manifest instead of log lines and table")->group("Run");
  command->add_flag("--quiet", o->quiet, "no progress")->group("Run");
  command
      ->add_option("--balance", o->balance,
                   "compare ways to balance the router instead: a list of none,aux,seq-aux,bias,bias+aux")
      ->type_name("LIST")
      ->group("Balancers");
  command
      ->add_option("--interference-interval", o->interference_interval,
                   "with --balance: steps between samples of both gradients; 0: none (default 50)")
      ->check(natural)
      ->group("Balancers");
  command->footer(kExitCodeHelp);
  command->callback([o, checked, command, &action] {
    action = [o, checked, command] {
      if (command->count("--check") > 0) return check(*o, *checked);
      return command->count("--balance") ? compare_balance(*o, command->count("--out") > 0) : compare(*o);
    };
  });
}

}  // namespace cli
