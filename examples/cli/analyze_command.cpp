// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "atomic_file.hpp"
#include "command.hpp"
#include "config_options.hpp"
#include "evaluation.hpp"
#include "exit_codes.hpp"
#include "interrupt.hpp"
#include "pictures.hpp"
#include "report_directory.hpp"
#include "run_directory.hpp"
#include "run_reader.hpp"
#include "trace_files.hpp"

namespace cli {

namespace fs = std::filesystem;

namespace {

struct AnalyzeFlags {
  std::string run, split = "val", corpus, out;
  std::uint64_t max_windows = 500, seed = 0;
  ExecFlags exec;
  bool json = false;
};

void require_split(const AnalyzeFlags& o, const OpenedRun& run) {
  const std::size_t seq_len = run.config.at("train").at("seq_len");
  const std::vector<std::string> splits = evaluation_splits(run.dataset, seq_len);
  if (std::find(splits.begin(), splits.end(), o.split) != splits.end()) return;
  std::string known;
  for (const std::string& split : splits) known += (known.empty() ? "" : ", ") + split;
  throw BadInput("--split: " + o.split +
                 " has no evaluation windows here; allowed: " + (known.empty() ? "none" : known));
}

fs::path output_directory(const AnalyzeFlags& o) {
  if (!o.out.empty()) return o.out;
  std::error_code error;
  const fs::path run = o.run;
  if (fs::is_directory(run, error)) return run;
  return run.has_parent_path() ? run.parent_path() : fs::path(".");
}

TraceFiles trace_of(const AnalyzeFlags& o, const OpenedRun& run) {
  TraceRequest request;
  request.split = o.split;
  request.seq_len = run.config.at("train").at("seq_len");
  request.batch_size = run.config.at("train").at("batch_size");
  request.num_windows = run.dataset.num_windows(o.split, request.seq_len);
  if (o.max_windows > 0) request.num_windows = std::min(request.num_windows, o.max_windows);
  return trace_files(run.model, run.dataset, request);
}

// A run has more to draw than its specialisation. @return what could not be drawn, and why.
std::vector<std::string> draw(const fs::path& out, const Json& specialisation) {
  std::error_code error;
  if (fs::exists(RunDirectory(out).metrics(), error)) return make_report(out);
  std::vector<std::string> notes;
  for (const Drawn& drawn :
       {draw_routing_analysis(out, {}, specialisation, nullptr), draw_expert_by_class(out, specialisation)}) {
    if (!drawn.drawn) notes.push_back(drawn.message);
  }
  return notes;
}

int analyze(const AnalyzeFlags& o) {
  const OpenedRun run = open_run(o.run, o.corpus, o.exec.options());
  if (run.config.at("model").at("moe").at("layers").empty()) {
    throw BadInput(o.run + ": its model is dense, so there are no experts to analyze");
  }
  require_split(o, run);
  catch_interrupts();
  // Everything is computed before the first file is touched.
  const Json size = {{"max_windows", o.max_windows}};
  Json options = size;
  options["seed"] = o.seed;
  Json specialisation, capacity;
  try {
    const capi::CancelToken& cancel = interrupt_token();
    specialisation = Json::parse(run.model.specialisation(run.dataset, o.split, json_text(options), &cancel));
    capacity = Json::parse(run.model.capacity_report(run.dataset, o.split, json_text(size), &cancel));
  } catch (const capi::Error& error) {
    if (error.status() != MINIMOE_E_CANCELLED) throw;
    std::fprintf(stderr, "minimoe: interrupted; nothing was written\n");
    return kInterrupted;
  }
  const TraceFiles trace = trace_of(o, run);

  const fs::path out = output_directory(o);
  make_directories(out);
  write_file_atomically(out / "specialisation.json", json_text(specialisation, 2) + "\n");
  write_file_atomically(out / "capacity.json", json_text(capacity, 2) + "\n");
  write_file_atomically(out / "trace.jsonl", trace.jsonl);
  write_file_atomically(out / "trace.csv", trace.csv);
  const std::vector<std::string> notes = draw(out, specialisation);

  if (o.json) {
    std::printf(
        "%s\n",
        json_text({{"out", out.string()}, {"specialisation", specialisation}, {"capacity", capacity}, {"notes", notes}})
            .c_str());
    return kOk;
  }
  std::printf("%s%s", specialisation.at("text").get<std::string>().c_str(),
              capacity.at("text").get<std::string>().c_str());
  for (const std::string& note : notes) std::printf("not drawn: %s\n", note.c_str());
  std::printf("written: specialisation.json, capacity.json, trace.jsonl, trace.csv and pictures in %s\n",
              out.string().c_str());
  return kOk;
}

}  // namespace

void add_analyze_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<AnalyzeFlags>();
  CLI::App* command = program.add_subcommand(
      "analyze", "What the experts of a run divide by, with controls; what a capacity costs; where each token went");
  command->add_option("run", o->run, "run directory or checkpoint file; of a comparison: one of its runs/")->required();
  command->add_option("--split", o->split, "val (default), held-out-verbs, held-out-combinations");
  command->add_option("--max-windows", o->max_windows, "windows of the split; 0: all (default 500)");
  command->add_option("--out", o->out,
                      "directory to write into (default: the run's; curves over the steps are drawn there only)");
  command->add_option("--corpus", o->corpus, "route this instead of the run's data");
  command->add_option("--seed", o->seed, "of the controls and resamples (default 0)");
  command->add_flag("--json", o->json, "print one JSON document");
  o->exec.add_to(*command);
  command->callback([o, &action] { action = [o] { return analyze(*o); }; });
}

}  // namespace cli
