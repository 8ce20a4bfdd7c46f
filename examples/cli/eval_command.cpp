// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "command.hpp"
#include "command_tree.hpp"
#include "config_options.hpp"
#include "evaluation.hpp"
#include "exit_codes.hpp"
#include "machine.hpp"
#include "run_reader.hpp"

namespace cli {

namespace {

struct EvalOptions {
  std::string run, split, corpus;
  ExecFlags exec;
  EvaluationSize size;
  bool json = false;
};

void print_split(const std::string& split, const Json& result) {
  std::printf("%s: loss=%.4f  perplexity=%.3f", split.c_str(), result.at("loss").get<double>(),
              result.at("perplexity").get<double>());
  if (result.at("entropy_floor").is_number()) {
    std::printf("  entropy_floor=%.4f", result.at("entropy_floor").get<double>());
  }
  std::printf("  windows=%s\n", result.at("windows").dump().c_str());
  const Json& probes = result.at("probes");
  if (!probes.is_null() && probes.at("accuracy").is_number()) {
    std::printf("  probes: %.1f %% of %s right;", 100 * probes.at("accuracy").get<double>(),
                probes.at("asked").dump().c_str());
    for (const auto& [kind, score] : probes.at("kinds").items()) {
      if (score.at("accuracy").is_number()) {
        std::printf(" %s %.1f", kind.c_str(), 100 * score.at("accuracy").get<double>());
      }
    }
    std::printf("\n");
  }
  for (const Json& layer : result.at("layers")) {
    std::printf("  block %s: load share", layer.at("block").dump().c_str());
    for (const Json& share : layer.at("load_share")) std::printf(" %.3f", share.get<double>());
    std::printf("  std=%.4f  dead=%s  cold=%s\n", layer.at("load_balance_stddev").get<double>(),
                layer.at("experts_dead_count").dump().c_str(), layer.at("experts_cold_count").dump().c_str());
  }
}

int eval(const EvalOptions& o) {
  const OpenedRun run = open_run(o.run, o.corpus, o.exec.options());
  const std::size_t seq_len = run.config.at("train").at("seq_len");
  std::vector<std::string> splits = evaluation_splits(run.dataset, seq_len);
  if (!o.split.empty()) {
    if (run.dataset.num_windows(o.split, seq_len) == 0) {
      std::string known;
      for (const std::string& split : splits) known += (known.empty() ? "" : ", ") + split;
      throw BadInput("--split: " + o.split +
                     " has no evaluation windows here; allowed: " + (known.empty() ? "none" : known));
    }
    splits = {o.split};
  }
  if (splits.empty()) {
    throw BadInput(o.run + ": its data has no evaluation window of " + std::to_string(seq_len) + " tokens");
  }
  const Json floors = entropy_floors(run.dataset, seq_len, o.size.max_windows);
  capi::Trainer trainer(run.model, run.dataset, json_text(run.config));
  Json document = {{"step", Json::parse(capi::checkpoint_info(run.checkpoint)).at("step")}, {"splits", Json::object()}};
  for (const std::string& split : splits) {
    const Json result = evaluate_split(trainer, run.model, run.dataset, split, o.size, floors);
    document["splits"][split] = result;
    if (!o.json) print_split(split, result);
  }
  if (o.json) std::printf("%s\n", json_text(document).c_str());
  return kOk;
}

}  // namespace

void add_eval_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<EvalOptions>();
  CLI::App* command =
      program.add_subcommand("eval", "Loss, perplexity, entropy floor, probes and expert loads of a run");
  command->add_option("run", o->run, "run directory or checkpoint file")->required();
  command->add_option("--split", o->split, "val, held-out-verbs, held-out-combinations (default: all there are)")
      ->type_name(choice_type("NAME", {"val", "held-out-verbs", "held-out-combinations"}));
  command->add_option("--corpus", o->corpus, "evaluate on this instead of the run's data");
  command->add_option("--eval-windows", o->size.max_windows, "windows of a split; 0: all (default)");
  command->add_option("--max-probes", o->size.max_probes, "questions of a split (default 500)");
  command->add_flag("--json", o->json, "print one JSON document");
  o->exec.add_to(*command);
  command->callback([o, &action] { action = [o] { return eval(*o); }; });
}

}  // namespace cli
