// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "atomic_file.hpp"
#include "command.hpp"
#include "config_options.hpp"
#include "evaluation.hpp"
#include "exit_codes.hpp"
#include "interrupt.hpp"
#include "machine.hpp"
#include "pictures.hpp"
#include "report_directory.hpp"
#include "run_directory.hpp"
#include "run_reader.hpp"
#include "trace_files.hpp"

namespace cli {

namespace fs = std::filesystem;

namespace {

constexpr double kBytesOfToken = 128, kBytesOfChoice = 40;  // docs/specialisation.md

struct AnalyzeFlags {
  std::string run, split = "val", corpus, out, hf, text, conllu;
  std::uint64_t max_windows = 500, seed = 0, seq_len = 0;
  ExecFlags exec;
  const CLI::Option* max_windows_option = nullptr;
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

TraceRequest trace_request(const AnalyzeFlags& o, const OpenedRun& run) {
  TraceRequest request;
  request.split = o.split;
  request.seq_len = run.config.at("train").at("seq_len");
  request.batch_size = run.config.at("train").at("batch_size");
  request.num_windows = run.dataset.num_windows(o.split, request.seq_len);
  if (o.max_windows > 0) request.num_windows = std::min(request.num_windows, o.max_windows);
  return request;
}

// What the library holds of every routed token: its ids, the choices in each MoE layer with that layer's input, and
// while it measures a layer, the choices of the random routers and copies to shuffle.
void require_analysis_memory(const TraceRequest& request, const Json& config) {
  const Json& moe = config.at("model").at("moe");
  const double top_k = moe.at("top_k"), d_model = config.at("model").at("d_model");
  const double layers = static_cast<double>(moe.at("layers").size());
  const double logits = 4 * moe.at("num_experts").get<double>();
  const double token = kBytesOfToken + kBytesOfChoice * top_k + logits + layers * (18 * top_k + 4 * d_model);
  require_memory("--max-windows: analyzing " + count_text(request.num_windows) + " windows of " +
                     std::to_string(request.seq_len) + " tokens",
                 token * static_cast<double>(request.num_windows) * static_cast<double>(request.seq_len));
}

// Those of `path` and the directories above it that are not there, the innermost first.
std::vector<fs::path> missing_directories(const fs::path& path) {
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path at = fs::absolute(path, error); !at.empty() && !fs::exists(at, error); at = at.parent_path()) {
    missing.push_back(at);
  }
  return missing;
}

int interrupted() {
  std::fprintf(stderr, "minimoe: interrupted; nothing was written\n");
  return kInterrupted;
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

// Text of any kind that a run reads, all of it; ids need no tokenizer.
Json data_of_hugging_face(const AnalyzeFlags& o) {
  const bool is_conllu = !o.conllu.empty();
  const std::string& file = is_conllu ? o.conllu : o.text;
  Json data = {{"corpus", file}, {"val_fraction", 1}};
  if (is_conllu) data["format"] = "conllu";
  if (!is_conllu && (file.ends_with(".bin") || file.ends_with(".bin.gz"))) return data;
  const fs::path tokenizer = RunDirectory(o.hf).tokenizer();
  std::error_code error;
  if (!fs::exists(tokenizer, error)) {
    throw BadInput(
        o.hf +
        ": has no tokenizer.json, so there is no way from a text to its token ids; a .bin file of ids needs none");
  }
  data["tokenizer"] = tokenizer.string();
  return data;
}

void require_hugging_face_flags(const AnalyzeFlags& o) {
  if (o.hf.empty()) {
    if (o.run.empty()) throw BadInput("run: required, or --hf DIR");
    for (const auto& [flag, given] : {std::pair("--text", !o.text.empty()), std::pair("--conllu", !o.conllu.empty()),
                                      std::pair("--seq-len", o.seq_len > 0)}) {
      if (given) throw BadInput(std::string(flag) + " goes with --hf");
    }
    return;
  }
  if (!o.run.empty() || !o.corpus.empty()) throw BadInput("--hf excludes a run and --corpus");
  if (o.text.empty() == o.conllu.empty()) throw BadInput("--hf needs either --text FILE or --conllu FILE");
  if (o.out.empty()) throw BadInput("--hf needs --out DIR");
  refuse_existing_outputs(o.out, false, "use another --out");
}

// A checkpoint of somebody else's, block by block.
int analyze_hugging_face(const AnalyzeFlags& o) {
  const capi::Dataset dataset = open_data({{"data", data_of_hugging_face(o)}}, false);
  catch_interrupts();
  Json options = {{"seed", o.seed}};
  if (o.max_windows_option->count() > 0) options["max_windows"] = o.max_windows;
  if (o.seq_len > 0) options["seq_len"] = o.seq_len;
  Json report;
  try {
    report = Json::parse(
        capi::Model::analyze_hf(o.hf, dataset, o.split, json_text(options), o.exec.options(), &interrupt_token()));
  } catch (const capi::Error& error) {
    if (error.status() != MINIMOE_E_CANCELLED) throw;
    return interrupted();
  }
  const fs::path out = o.out;
  make_directories(out);
  for (const char* part : {"specialisation", "health"}) {
    write_file_atomically(out / (std::string(part) + ".json"), json_text(report.at(part), 2) + "\n");
  }
  const std::vector<std::string> notes = draw(out, report.at("specialisation"));
  if (o.json) {
    report["out"] = out.string();
    report["notes"] = notes;
    std::printf("%s\n", json_text(report).c_str());
    return kOk;
  }
  std::printf("%s%s", report.at("specialisation").at("text").get<std::string>().c_str(),
              report.at("health").at("text").get<std::string>().c_str());
  for (const std::string& note : notes) std::printf("not drawn: %s\n", note.c_str());
  std::printf("written: specialisation.json, health.json and pictures in %s\n", out.string().c_str());
  return kOk;
}

int analyze(const AnalyzeFlags& o) {
  require_hugging_face_flags(o);
  if (!o.hf.empty()) return analyze_hugging_face(o);
  const OpenedRun run = open_run(o.run, o.corpus, o.exec.options());
  if (run.config.at("model").at("moe").at("layers").empty()) {
    throw BadInput(o.run + ": its model is dense, so there are no experts to analyze");
  }
  require_split(o, run);
  const TraceRequest trace = trace_request(o, run);
  require_analysis_memory(trace, run.config);
  catch_interrupts();
  // Everything is computed before the first file is replaced.
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
    return interrupted();
  }
  const fs::path out = output_directory(o);
  const std::vector<fs::path> made = missing_directories(out);
  make_directories(out);
  std::optional<AtomicFile> jsonl(out / "trace.jsonl"), csv(out / "trace.csv");
  if (!write_trace(run.model, run.dataset, trace, *jsonl, *csv)) {
    jsonl.reset();
    csv.reset();
    std::error_code error;
    for (const fs::path& directory : made) fs::remove(directory, error);
    return interrupted();
  }
  write_file_atomically(out / "specialisation.json", json_text(specialisation, 2) + "\n");
  write_file_atomically(out / "capacity.json", json_text(capacity, 2) + "\n");
  jsonl->commit();
  csv->commit();
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
  command->add_option("run", o->run, "run directory or checkpoint file; of a comparison: one of its runs/");
  command->add_option("--hf", o->hf, "instead of a run: a directory of Hugging Face's, read block by block")
      ->type_name("DIR");
  command->add_option("--text", o->text, "with --hf: a text, JSON Lines, or a .bin file of token ids")
      ->type_name("FILE");
  command->add_option("--conllu", o->conllu, "with --hf: a treebank; each token has the class of its word")
      ->type_name("FILE");
  command->add_option("--seq-len", o->seq_len, "with --hf: tokens of a window (default 256)")
      ->check(sane_range(std::uint64_t{1}, std::uint64_t{1} << 20));
  command->add_option("--split", o->split, "val (default), held-out-verbs, held-out-combinations");
  o->max_windows_option =
      command->add_option("--max-windows", o->max_windows, "windows of the split; 0: all (default 500, with --hf 64)");
  command->add_option("--out", o->out,
                      "directory to write into (default: the run's; curves over the steps are drawn there only)");
  command->add_option("--corpus", o->corpus, "route this instead of the run's data");
  command->add_option("--seed", o->seed, "of the controls and resamples (default 0)");
  command->add_flag("--json", o->json, "print one JSON document");
  o->exec.add_to(*command);
  command->callback([o, &action] { action = [o] { return analyze(*o); }; });
}

}  // namespace cli
