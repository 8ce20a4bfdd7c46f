// SPDX-License-Identifier: Apache-2.0
#include "break_report.hpp"

#include <cmath>

#include "machine.hpp"
#include "text_table.hpp"

namespace cli {

namespace {

std::string text_of(const Json& object, const char* key) { return object.at(key).get<std::string>(); }

std::vector<TextRow> signal_rows(const Json& seed) {
  std::vector<TextRow> rows = {{"signal", "said by step", "says when", "reads at the end"}};
  for (const Json& s : seed.at("signals")) {
    const Json& step = s.at("first_step");
    rows.push_back({text_of(s, "signal"), step.is_null() ? "never" : step.dump(), text_of(s, "says_when"),
                    text_of(s, "at_the_end")});
  }
  return rows;
}

// Of the window of the health report that ends at `step` or is the last before.
std::string verdict_at(const Json& run, const Json& step) {
  std::string found = "-";
  for (const Json& window : run.at("verdict_windows")) {
    if (window.at("last_step") <= step) found = text_of(window, "verdict");
  }
  return found;
}

// "1.012 / 1.003": a figure of a window of the broken run and of its healthy twin. A loss that was not finite is null.
std::string both(const Json& broken, const Json& healthy, const char* key, int decimals, double scale = 1) {
  const auto number = [&](const Json& window) {
    return window.at(key).is_null() ? std::string("nan") : fixed(scale * window.at(key).get<double>(), decimals);
  };
  return number(broken) + " / " + number(healthy);
}

std::string signal_table(const Json& seed) {
  const Json &broken = seed.at("runs").at("broken"), &healthy = seed.at("runs").at("healthy");
  std::vector<TextRow> rows = {{"steps", "main loss", "aux loss", "largest share", "effective/E", "gate mass/E", "cold",
                                "dropped %", "verdict"}};
  for (std::size_t i = 0; i < broken.at("windows").size(); ++i) {
    const Json &b = broken.at("windows").at(i), &h = healthy.at("windows").at(i);
    rows.push_back({b.at("first_step").dump() + "-" + b.at("last_step").dump(), both(b, h, "loss", 3),
                    both(b, h, "aux_loss", 3), both(b, h, "largest_share", 2), both(b, h, "effective_share", 2),
                    both(b, h, "gate_mass_share", 2), both(b, h, "num_cold", 0), both(b, h, "drop_rate", 1, 100),
                    verdict_at(broken, b.at("last_step")) + " / " + verdict_at(healthy, h.at("last_step"))});
  }
  return text_table(rows);
}

std::string outcome(const Json& claim) {
  if (!claim.at("decided").get<bool>()) return "cannot tell";
  return claim.at("holds").get<bool>() ? "agrees" : "disagrees";
}

std::string indented(const std::string& text, const std::string& by) {
  std::string out = by;
  for (const char c : text) out += c == '\n' ? "\n" + by : std::string(1, c);
  return out;
}

std::string change_text(const Json& change, const char* from, const char* to) {
  return text_of(change, "key") + ": " + change.at(from).dump() + " -> " + change.at(to).dump();
}

// YAML's quoted texts are JSON's.
std::string yaml_line(const char* key, const std::string& text) {
  return std::string(key) + ": " + Json(text).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string markdown_of(const Json& b) {
  std::string text = "## " + text_of(b, "name") + "\n\n```yaml\n";
  text += yaml_line("bug-id", b.at("name"));
  for (const char* key : {"concept", "symptom", "hidden_cause", "hint_1", "hint_2", "hint_3"}) {
    text += yaml_line(key, b.at(key));
  }
  text += "fix_diff: |\n" + indented(b.at("fix_diff"), "  ") + "\n```\n\n";
  text += "Commonly said: " + text_of(b, "claim") + " Measured:\n\n";
  for (const Json& claim : b.at("claims")) {
    const std::string said = outcome(claim);
    text += "- " + (said == "disagrees" ? "**disagrees**" : said) + ": " + text_of(claim, "text") + "\n";
  }
  const Json& first = b.at("seeds").front();
  text += "\n" + text_of(b, "recovery") + "\n\n";
  return text + "Signals of seed " + first.at("seed").dump() + ":\n\n" + markdown_table(signal_rows(first)) + "\n";
}

}  // namespace

std::string break_text(const Json& b) {
  const Json& first = b.at("seeds").front();
  std::string text =
      "\nbroken / healthy, seed " + first.at("seed").dump() + "\n" + signal_table(first) + "\n" + text_table([&] {
        std::vector<TextRow> rows;
        for (const TextRow& row : signal_rows(first)) rows.push_back({row[0], row[1], row[3]});
        return rows;
      }());
  text += "\nsymptom: " + text_of(b, "symptom") + "\n";
  text += "commonly said: " + text_of(b, "claim") + "\n";
  for (const Json& claim : b.at("claims")) {
    const std::string said = outcome(claim);
    text += "  " + (said == "disagrees" ? "DISAGREES" : said) + ": " + text_of(claim, "text") + "\n";
  }
  text += "hidden cause: " + text_of(b, "hidden_cause") + "\n";
  text += "undo:";
  for (const Json& change : b.at("fix")) text += " " + change_text(change, "broken", "fixed");
  return text + "\n  " + text_of(b, "recovery") + "\n";
}

std::string breaks_markdown(const std::vector<Json>& breaks, const std::string& command, const std::string& corpus) {
  std::string text =
      "# Router breaks\n\nMade by `" + command + "` on " + corpus +
      ". Each break is one setting away from its healthy twin; both have the same start values and the same "
      "batches. Symptoms are what was measured, one figure a seed; loads and probabilities are those of the "
      "last window.\n\n";
  for (const Json& b : breaks) text += markdown_of(b);
  return text;
}

}  // namespace cli
