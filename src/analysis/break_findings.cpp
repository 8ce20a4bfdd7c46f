// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/break_findings.hpp"

#include <algorithm>

#include "analysis/break_claims.hpp"
#include "analysis/breaks_json.hpp"

namespace minimoe {
namespace {

constexpr JsonLimits kRunLimits = {kMostRunBytes, 32, std::size_t{1} << 27};
constexpr const char* kSchema = "minimoe-break-runs/1";

JsonText read_runs(std::string_view text, const std::string& where) {
  JsonText json = read_json(text, where, ErrorCode::kInvalidArgument, kRunLimits);
  require(json.duplicate_keys.empty(), where, ": ", json.duplicate_keys.empty() ? "" : json.duplicate_keys.front(),
          " stands there twice");
  return json;
}

RouterBreak read_break(const JsonCursor& name) {
  std::vector<std::string> names;
  std::string allowed;
  for (RouterBreak& known : router_breaks()) {
    if (name.text() == known.name) return std::move(known);
    allowed += (allowed.empty() ? "" : ", ") + known.name;
    names.push_back(known.name);
  }
  const std::string near = nearest_word(name.text(), names);
  name.refuse(concat("one of ", allowed, near.empty() ? "" : concat("; did you mean ", near, "?")));
}

LabRun read_twin(const JsonCursor& runs, const char* name, std::size_t window) {
  const JsonCursor run = runs.at(name);
  run.refuse_unknown_keys(lab_run_keys());
  return read_lab_run(run, window);
}

LabRun read_routed_twin(const JsonCursor& runs, const char* name, std::size_t window) {
  LabRun run = read_twin(runs, name, window);
  if (!run.has_routers()) runs.at(name).at("lines").refuse("lines of a model with MoE layers");
  return run;
}

// A window of one is beside that of the other.
bool same_steps(const LabRun& a, const LabRun& b) {
  return std::equal(a.windows.begin(), a.windows.end(), b.windows.begin(), b.windows.end(),
                    [](const RouterWindow& l, const RouterWindow& r) {
                      return l.first_step == r.first_step && l.last_step == r.last_step;
                    });
}

BreakRuns read_seed(const JsonCursor& seed, std::size_t window) {
  seed.refuse_unknown_keys({"seed", "runs"});
  const JsonCursor runs = seed.at("runs");
  runs.refuse_unknown_keys({"healthy", "broken", "dense", "fixed"});
  BreakRuns read = {seed.at("seed").count(), read_routed_twin(runs, "healthy", window),
                    read_routed_twin(runs, "broken", window), read_twin(runs, "dense", window),
                    read_routed_twin(runs, "fixed", window)};
  if (!same_steps(read.broken, read.healthy)) runs.at("healthy").at("lines").refuse("the steps of the broken run");
  return read;
}

std::vector<BreakRuns> read_seeds(const JsonCursor& list, std::size_t window) {
  std::vector<BreakRuns> seeds;
  for (const JsonCursor& seed : list.items()) {
    seeds.push_back(read_seed(seed, window));
    const BreakRuns &first = seeds.front(), &last = seeds.back();
    const bool is_there = std::any_of(seeds.begin(), seeds.end() - 1,
                                      [&](const BreakRuns& earlier) { return earlier.seed == last.seed; });
    if (is_there) seed.at("seed").refuse("another seed than those before");
    if (last.broken.num_steps != first.broken.num_steps || last.broken.top_k != first.broken.top_k) {
      seed.at("runs").at("broken").at("config").refuse("that of the first seed, but for train.seed");
    }
  }
  if (seeds.empty()) list.refuse("a seed or more");
  return seeds;
}

void step_member(JsonWriter& out, const char* key, const std::optional<std::int64_t>& step) {
  out.raw_member(key, step ? json_of(*step) : "null");
}

void write_seed(JsonWriter& out, const BreakRuns& runs) {
  out.begin('{').member("seed", runs.seed).begin("signals", '[');
  for (const BreakSignal& s : break_signals(runs)) {
    out.begin('{').member("signal", s.name).member("says_when", s.rule);
    step_member(out, "first_step", s.first_step);
    out.member("at_the_end", s.last).end('}');
  }
  out.end(']');
  step_member(out, "fixed_healthy_from", healthy_from(runs.fixed));
  step_member(out, "fixed_even_from", even_from(runs.fixed));
  out.begin("runs", '{').raw_member("healthy", lab_run_json(runs.healthy));
  out.raw_member("broken", lab_run_json(runs.broken)).raw_member("dense", lab_run_json(runs.dense));
  out.raw_member("fixed", lab_run_json(runs.fixed)).end('}').end('}');
}

}  // namespace

std::string break_findings(std::string_view text, const std::string& where) {
  const JsonText json = read_runs(text, where);
  const JsonCursor root(where, json.root);
  root.refuse_unknown_keys({"schema", "break", "window", "seeds"});
  if (root.at("schema").text() != kSchema) root.at("schema").refuse(in_quotes(kSchema));
  BreakResult result = {read_break(root.at("break")), {}};
  result.seeds = read_seeds(root.at("seeds"), read_window_size(root.at("window")));
  const RouterBreak& b = result.definition;
  JsonWriter out;
  out.begin('{').member("name", b.name).member("concept", b.topic).member("claim", b.claim).begin("claims", '[');
  for (const ClaimCheck& c : check_claims(result)) {
    out.begin('{').member("claim", break_claim_name(c.claim)).member("holds", c.holds).member("decided", c.decided);
    out.member("text", c.text).end('}');
  }
  out.end(']');
  write_break_changes(out, b);
  out.member("symptom", break_symptom(result));
  write_break_cause(out, b);
  out.member("recovery", break_recovery(result)).begin("seeds", '[');
  for (const BreakRuns& runs : result.seeds) write_seed(out, runs);
  return out.end(']').end('}').text();
}

std::string run_findings(std::string_view text, const std::string& where) {
  const JsonText json = read_runs(text, where);
  const JsonCursor root(where, json.root);
  std::vector<std::string> known = lab_run_keys();
  known.emplace_back("window");
  root.refuse_unknown_keys(known);
  return lab_run_json(read_lab_run(root, read_window_size(root.at("window"))));
}

}  // namespace minimoe
