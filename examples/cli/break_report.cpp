// SPDX-License-Identifier: Apache-2.0
#include "break_report.hpp"

#include "machine.hpp"
#include "text_table.hpp"

namespace cli {

namespace {

std::string step_text(const std::optional<std::int64_t>& step) { return step ? std::to_string(*step) : "never"; }

std::vector<TextRow> signal_rows(const BreakRuns& runs) {
  std::vector<TextRow> rows = {{"signal", "said by step", "says when", "reads at the end"}};
  for (const BreakSignal& s : break_signals(runs)) rows.push_back({s.name, step_text(s.first_step), s.rule, s.last});
  return rows;
}

std::string indented(const std::string& text, const std::string& by) {
  std::string out = by;
  for (const char c : text) out += c == '\n' ? "\n" + by : std::string(1, c);
  return out;
}

std::string change_text(const Json& change, const char* from, const char* to) {
  return change.at("key").get<std::string>() + ": " + change.at(from).dump() + " -> " + change.at(to).dump();
}

Json run_json(const LabRun& run) {
  Json windows = Json::array(), interference = Json::array();
  for (const RouterWindow& window : run.windows) windows.push_back(router_window_json(window));
  for (const Json& line : run.lines) {
    if (line.contains("interference")) {
      interference.push_back({{"step", line.at("step")}, {"layers", line.at("interference")}});
    }
  }
  Json val_losses = Json::array();
  for (const Json& line : run.lines) {
    if (line.contains("val_loss")) val_losses.push_back({{"step", line.at("step")}, {"loss", line.at("val_loss")}});
  }
  return {{"directory", run.directory.generic_string()},
          {"val_loss", run.val_loss()},
          {"verdict", run.health.is_object() ? Json(run.verdict()) : Json()},
          {"verdict_windows", deciding_windows(run.health)},
          {"windows", windows},
          {"interference", interference},
          {"val_losses", val_losses}};
}

// YAML's quoted texts are JSON's.
std::string yaml_line(const char* key, const std::string& text) {
  return std::string(key) + ": " + Json(text).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string markdown_of(const BreakResult& result) {
  const Json& d = result.definition;
  std::string text = "## " + d.at("name").get<std::string>() + "\n\n```yaml\n";
  text += yaml_line("bug-id", d.at("name"));
  text += yaml_line("concept", d.at("concept"));
  text += yaml_line("symptom", symptom(result));
  for (const char* key : {"hidden_cause", "hint_1", "hint_2", "hint_3"}) text += yaml_line(key, d.at(key));
  text += "fix_diff: |\n" + indented(d.at("fix_diff"), "  ") + "\n```\n\n";
  text += "Commonly said: " + d.at("claim").get<std::string>() + " Measured:\n\n";
  for (const ClaimCheck& c : check_claims(result)) {
    const std::string said = outcome(c);
    text += "- " + (said == "disagrees" ? "**disagrees**" : said) + ": " + c.text + "\n";
  }
  text += "\n" + recovery(result) + "\n\n";
  text += "Signals of seed " + std::to_string(result.seeds.front().seed) + ":\n\n" +
          markdown_table(signal_rows(result.seeds.front())) + "\n";
  return text;
}

}  // namespace

std::string break_text(const BreakResult& result) {
  const BreakRuns& first = result.seeds.front();
  std::string text =
      "\nbroken / healthy, seed " + std::to_string(first.seed) + "\n" + signal_table(first) + "\n" + text_table([&] {
        std::vector<TextRow> rows;
        for (const TextRow& row : signal_rows(first)) rows.push_back({row[0], row[1], row[3]});
        return rows;
      }());
  text += "\nsymptom: " + symptom(result) + "\n";
  text += "commonly said: " + result.definition.at("claim").get<std::string>() + "\n";
  for (const ClaimCheck& c : check_claims(result)) {
    const std::string said = outcome(c);
    text += "  " + (said == "disagrees" ? "DISAGREES" : said) + ": " + c.text + "\n";
  }
  text += "hidden cause: " + result.definition.at("hidden_cause").get<std::string>() + "\n";
  text += "undo:";
  for (const Json& change : result.definition.at("fix")) text += " " + change_text(change, "broken", "fixed");
  return text + "\n  " + recovery(result) + "\n";
}

Json break_json(const BreakResult& result) {
  const Json& d = result.definition;
  Json claims = Json::array(), seeds = Json::array();
  for (const ClaimCheck& c : check_claims(result)) {
    claims.push_back({{"claim", c.claim}, {"holds", c.holds}, {"decided", c.decided}, {"text", c.text}});
  }
  for (const BreakRuns& runs : result.seeds) {
    Json signals = Json::array();
    for (const BreakSignal& s : break_signals(runs)) {
      signals.push_back({{"signal", s.name},
                         {"says_when", s.rule},
                         {"first_step", s.first_step ? Json(*s.first_step) : Json()},
                         {"at_the_end", s.last}});
    }
    const auto from = healthy_from(*runs.fixed), even = even_from(*runs.fixed);
    seeds.push_back({{"seed", runs.seed},
                     {"signals", signals},
                     {"fixed_healthy_from", from ? Json(*from) : Json()},
                     {"fixed_even_from", even ? Json(*even) : Json()},
                     {"runs",
                      {{"healthy", run_json(*runs.healthy)},
                       {"broken", run_json(*runs.broken)},
                       {"dense", run_json(*runs.dense)},
                       {"fixed", run_json(*runs.fixed)}}}});
  }
  return {{"name", d.at("name")},         {"concept", d.at("concept")},
          {"claim", d.at("claim")},       {"claims", claims},
          {"change", d.at("change")},     {"fix", d.at("fix")},
          {"symptom", symptom(result)},   {"hidden_cause", d.at("hidden_cause")},
          {"hint_1", d.at("hint_1")},     {"hint_2", d.at("hint_2")},
          {"hint_3", d.at("hint_3")},     {"fix_diff", d.at("fix_diff")},
          {"recovery", recovery(result)}, {"seeds", seeds}};
}

std::string breaks_markdown(const std::vector<BreakResult>& results, const std::string& command,
                            const std::string& corpus) {
  std::string text =
      "# Router breaks\n\nMade by `" + command + "` on " + corpus +
      ". Each break is one setting away from its healthy twin; both have the same start values and the same "
      "batches. Symptoms are what was measured, one figure a seed; loads and probabilities are those of the "
      "last window.\n\n";
  for (const BreakResult& result : results) text += markdown_of(result);
  return text;
}

}  // namespace cli
