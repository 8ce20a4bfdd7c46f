// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cstdio>
#include <optional>

#include "atomic_file.hpp"
#include "command.hpp"
#include "config_file.hpp"
#include "config_options.hpp"
#include "exit_codes.hpp"
#include "interrupt.hpp"
#include "run_reader.hpp"
#include "training_run.hpp"

namespace cli {

namespace {

constexpr std::size_t kMaxResultBytes = 1 << 26;

struct TrainOptions {
  ConfigOptions config;
  ExecFlags exec;
  std::string out, init_from, dense_baseline, metrics = "jsonl";
  bool force = false, resume = false, json = false, quiet = false;
  std::int64_t log_interval = 200, eval_interval = 0, save_interval = 0, stop_at = 0;
  std::uint64_t eval_windows = 200;
};

std::string default_directory(const Json& config) {
  const bool dense = config.at("model").at("moe").at("layers").empty();
  return std::string("runs/") + (dense ? "dense" : "moe") + "-seed" + config.at("train").at("seed").dump();
}

// A number, or a run whose validation loss it is.
double baseline_loss(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  const std::string path = text + "/result.json";
  const Json result = Json::parse(read_whole_file(path, kMaxResultBytes), nullptr, false);
  if (!result.is_object() || !result.contains("val_loss") || !result.at("val_loss").is_number()) {
    throw BadInput("--dense-baseline: " + path + " has no val_loss; a number or a finished run directory is allowed");
  }
  return result.at("val_loss");
}

// A resumed run is one run: everything but the place, and that of its data, comes from its checkpoint.
Json resumed_config(const TrainOptions& o, const std::string& checkpoint) {
  Json saved = Json::parse(capi::checkpoint_info(checkpoint)).at("config");
  if (!o.config.given()) return saved;
  Json wanted = o.config.resolve_over(saved);
  const std::map<std::string, Json> before = dotted_leaves(saved), now = dotted_leaves(wanted);
  for (const auto& [key, value] : now) {
    const auto found = before.find(key);
    if (found == before.end() || found->second == value || key == "data.corpus") continue;
    throw BadInput("--resume: " + key + " is " + json_text(found->second) + " in " + checkpoint + " and " +
                   json_text(value) + " in the options; a resumed run keeps its configuration");
  }
  saved["data"]["corpus"] = now.at("data.corpus");
  return saved;
}

// Another run's configuration and data, unless the options say otherwise, and its weights.
Json continued_config(const TrainOptions& o) {
  for (const char* key : {"data.tokenizer", "data.max_vocab"}) {
    if (o.config.given(key)) throw BadInput(std::string("--init-from: ") + key + " is that of the weights");
  }
  const Json saved = Json::parse(capi::checkpoint_info(checkpoint_of(o.init_from))).at("config");
  const bool has_corpus = o.config.given("data.corpus");
  const std::string corpus = has_corpus ? o.config.resolve_over(saved).at("data").at("corpus") : Json("");
  return o.config.resolve_over(config_of_run(o.init_from, corpus));
}

// The ids of another corpus must mean what the weights have learned: bytes do, and those of a tokenizer.json; words are
// numbered by their corpus, and of token files only their writer knows.
void require_same_vocabulary(const TrainOptions& o, const Json& config, const capi::Dataset& dataset) {
  constexpr std::size_t kMaxIdentityBytes = 1 << 20;
  const RunDirectory from(directory_of_model(o.init_from));
  std::error_code error;
  if (config.at("data").value("tokenizer", "auto") != "auto" || !std::filesystem::exists(from.corpus(), error)) return;
  const Json now = corpus_identity(dataset);
  const Json then = Json::parse(read_whole_file(from.corpus(), kMaxIdentityBytes), nullptr, false);
  const auto is_of_bytes = [](const Json& corpus) {
    return corpus.is_object() && corpus.value("vocab_size", 0) == 256;
  };
  if (then.is_object() && then.value("sha256", "") == now.at("sha256")) return;
  if (is_of_bytes(then) && is_of_bytes(now)) return;
  if (is_token_file(then.is_object() ? then.value("name", "") : "") && is_token_file(now.at("name"))) return;
  throw BadInput("--init-from: the token ids of " + o.init_from + " are those of its data, " + json_text(then) +
                 "; they mean something else in " + json_text(now));
}

int report_unfinished(const TrainOptions& o, RunOutcome outcome, std::int64_t step, const std::string& directory) {
  const char* state = outcome == RunOutcome::kInterrupted ? "interrupted" : "stopped";
  std::fprintf(stderr, "minimoe: %s at step %lld, saved; go on with: minimoe train --resume --out %s\n", state,
               static_cast<long long>(step), directory.c_str());
  if (o.json) std::printf("%s\n", json_text({{"state", state}, {"step", step}, {"out", directory}}).c_str());
  return outcome == RunOutcome::kInterrupted ? kInterrupted : kOk;
}

// The worst layer in a line; `minimoe health` has the rest.
void print_verdict(const Json& health) {
  const std::string verdict = health.at("verdict");
  for (const Json& layer : health.at("layers")) {
    if (layer.at("verdict") != verdict) continue;
    std::printf("health: %s (block %s, %s): %s\n", verdict.c_str(), layer.at("block").dump().c_str(),
                layer.at("rule").get<std::string>().c_str(), layer.at("reason").get<std::string>().c_str());
    return;
  }
}

void report_finished(const TrainOptions& o, Json result, std::optional<double> baseline, const std::string& directory) {
  if (o.json) {
    result["state"] = "finished";
    result["out"] = directory;
    if (baseline) result["dense_baseline"] = *baseline;
    std::printf("%s\n", json_text(result).c_str());
    return;
  }
  std::printf("val_loss=%.3f", result.at("val_loss").get<double>());
  if (baseline) std::printf("  (dense_baseline=%.3f)", *baseline);
  std::printf("\n");
  if (result.contains("health")) print_verdict(result.at("health"));
}

RunRequest prepare(const TrainOptions& o) {
  if (o.force && o.resume) throw BadInput("--force and --resume exclude each other");
  if (o.resume && o.out.empty()) throw BadInput("--resume needs --out DIR: the run that is to go on");
  if (o.resume && !o.init_from.empty()) throw BadInput("--init-from and --resume exclude each other");
  Json config = o.resume              ? resumed_config(o, RunDirectory(o.out).checkpoint().string())
                : o.init_from.empty() ? o.config.resolve()
                                      : continued_config(o);
  const std::string directory = o.out.empty() ? default_directory(config) : o.out;
  if (!o.resume) {
    std::error_code error;
    if (!o.init_from.empty() && std::filesystem::equivalent(directory_of_model(o.init_from), directory, error)) {
      throw BadInput("--init-from: " + directory + " is the run to begin at; use another --out");
    }
    refuse_existing_outputs(directory, o.force, "use --force to replace it, --resume to continue it, or another --out");
  }
  Json data = config;
  if (o.resume) use_tokenizer_of_run(data, directory);
  const capi::Dataset dataset = open_data(data, o.resume && !o.config.given("data.corpus"));
  if (!o.init_from.empty()) require_same_vocabulary(o, config, dataset);
  config = Json::parse(dataset.fit_config(json_text(config)));
  require_validation_window(dataset, config);
  const capi::Options options = o.exec.options();
  require_memory(run_costs(config, options));
  const std::int64_t steps = config.at("train").at("steps");
  if (o.stop_at > steps) {
    throw BadInput("--stop-at: " + std::to_string(o.stop_at) + ", allowed 1.." + std::to_string(steps));
  }
  RunRequest request{dataset, config, options};
  request.directory = directory;
  request.label = "train";
  request.floors = entropy_floors(dataset, config.at("train").at("seq_len"), o.eval_windows);
  request.evaluation.max_windows = o.eval_windows;
  request.resume = o.resume;
  if (!o.init_from.empty()) request.start_weights = checkpoint_of(o.init_from);
  request.quiet = o.quiet;
  request.log = o.json ? nullptr : stdout;
  request.log_interval = o.log_interval;
  request.metrics = metrics_formats(o.metrics);
  request.eval_interval = o.eval_interval;
  request.save_interval = o.save_interval;
  request.stop_at = o.stop_at;
  return request;
}

int train(const TrainOptions& o) {
  std::optional<double> baseline;
  if (!o.dense_baseline.empty()) baseline = baseline_loss(o.dense_baseline);
  const RunRequest request = prepare(o);
  catch_interrupts();
  TrainingRun run(request);
  run.begin();
  if (!o.json) {
    std::printf("%soutput: %s\n%s",
                run_summary(request.config, request.dataset, request.options, request.floors).c_str(),
                request.directory.c_str(), log_header(request.config).c_str());
    std::fflush(stdout);
  }
  const RunOutcome outcome = run.run();
  const std::string directory = request.directory.string();
  if (outcome != RunOutcome::kFinished) return report_unfinished(o, outcome, run.step(), directory);
  report_finished(o, run.result(), baseline, directory);
  return kOk;
}

}  // namespace

void add_train_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<TrainOptions>();
  CLI::App* command = program.add_subcommand("train", "Train one model; the lab preset unless options say otherwise");
  o->config.add_to(*command, ConfigScope::kAll);
  o->exec.add_to(*command);
  const auto positive = sane_range(std::int64_t{1}, std::int64_t{1} << 40);
  const auto natural = sane_range(std::int64_t{0}, std::int64_t{1} << 40);
  command->add_option("--out", o->out, "run directory (default runs/moe-seedN or runs/dense-seedN)")->group("Run");
  command->add_flag("--force", o->force, "replace an existing run")->group("Run");
  command
      ->add_flag("--resume", o->resume, "continue the run in --out, bit for bit; --corpus tells where its data is now")
      ->group("Run");
  command
      ->add_option("--init-from", o->init_from,
                   "begin a new run at the weights of this one (trained, imported or upcycled), its configuration and "
                   "data unless options say otherwise")
      ->type_name("RUN")
      ->group("Run");
  command->add_option("--log-interval", o->log_interval, "steps between log lines (default 200)")
      ->check(positive)
      ->group("Run");
  command->add_option("--eval-interval", o->eval_interval, "steps between validations; 0: at the end only")
      ->check(natural)
      ->group("Run");
  command->add_option("--save-interval", o->save_interval, "steps between checkpoints; 0: at the end only")
      ->check(natural)
      ->group("Run");
  command->add_option("--metrics", o->metrics, kMetricsHelp)->type_name("LIST")->group("Run");
  command->add_option("--eval-windows", o->eval_windows, "windows of each validation; 0: all (default 200)")
      ->check(natural)
      ->group("Run");
  command->add_option("--stop-at", o->stop_at, "save and stop at this step of the schedule")
      ->check(positive)
      ->group("Run");
  command
      ->add_option("--dense-baseline", o->dense_baseline,
                   "validation loss to print beside ours: a number or a run directory")
      ->group("Run");
  command->add_flag("--json", o->json, "print one JSON document instead of log lines")->group("Run");
  command->add_flag("--quiet", o->quiet, "no progress")->group("Run");
  command->footer(kExitCodeHelp);
  command->callback([o, &action] { action = [o] { return train(*o); }; });
}

}  // namespace cli
