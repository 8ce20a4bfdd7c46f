// SPDX-License-Identifier: Apache-2.0
#include "report_sections.hpp"

#include <numeric>

#include "cividis.hpp"
#include "html_text.hpp"
#include "machine.hpp"
#include "specialisation_view.hpp"
#include "verdict_view.hpp"

namespace cli {

namespace {

const Json* find(const Json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || object.at(key).is_null()) return nullptr;
  return &object.at(key);
}

// A value as a reader wants it: strings without quotes.
std::string plain(const Json& value) { return value.is_string() ? value.get<std::string>() : json_text(value); }

std::string text_or(const Json& object, const char* key, const std::string& otherwise) {
  const Json* value = find(object, key);
  return value ? plain(*value) : otherwise;
}

std::string figure_text(const Json& figures, const char* key) {
  const Json* value = find(figures, key);
  if (!value) return "-";
  if (value->is_array() && value->empty()) return "none";
  if (value->is_number_float()) return fixed(value->get<double>(), 3);
  return html(plain(*value));
}

std::string bias_text(const Json& figures) {
  const Json *low = find(figures, "bias_min"), *high = find(figures, "bias_max");
  if (!low || !high || !low->is_number() || !high->is_number()) return "-";
  return fixed(low->get<double>(), 4) + " to " + fixed(high->get<double>(), 4);
}

std::string bullets(const Json& object, const char* key) {
  const Json* list = find(object, key);
  if (!list || !list->is_array() || list->empty()) return "";
  std::string text = "<ul>\n";
  for (const Json& item : *list) text += element("li", plain(item));
  return text + "</ul>\n";
}

std::string health_table(const Json& layers) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& layer : layers) {
    const Json* found = find(layer, "figures");
    const Json figures = found ? *found : Json::object();
    rows.push_back({html(text_or(layer, "block", text_or(layer, "layer", "?"))), html(text_or(layer, "verdict", "-")),
                    html(text_or(layer, "rule", "-")), figure_text(figures, "effective_share"),
                    figure_text(figures, "gate_mass_share"), figure_text(figures, "max_violation_window"),
                    figure_text(figures, "drop_rate"), figure_text(figures, "router_logit_norm"), bias_text(figures),
                    figure_text(figures, "dead"), figure_text(figures, "cold")});
  }
  return html_table("Router health, each MoE layer",
                    {"layer", "verdict", "rule", "effective experts / E", "of gate mass", "MaxVio, window", "drop rate",
                     "logit norm", "bias", "dead", "cold"},
                    rows);
}

std::string class_table(const SpecialisedLayer& layer, bool by_frequency) {
  std::vector<std::string> head = {by_frequency ? "frequency" : "class", "tokens"};
  double largest = 1e-9;
  for (std::size_t e = 0; e < layer.num_experts; ++e) head.push_back("expert " + std::to_string(e));
  for (const ClassRow& row : layer.rows) {
    for (const double share : row.share) largest = std::max(largest, row.enough ? share : 0);
  }
  std::vector<std::vector<std::string>> rows;
  for (const ClassRow& row : layer.rows) {
    rows.push_back({html(row.name), count_text(static_cast<std::uint64_t>(row.count))});
    if (!row.enough) {
      rows.back().push_back("<td class=\"few\" colspan=\"" + std::to_string(layer.num_experts) +
                            "\">too few tokens</td>");
      continue;
    }
    for (const double share : row.share) {
      const double part = share / largest;
      rows.back().push_back("<td style=\"background:" + cividis(part) + ";color:" +
                            (text_is_white(part) ? "#ffffff" : "#000000") + "\">" + fixed(100 * share, 1) + "</td>");
    }
  }
  return html_table("Block " + std::to_string(layer.block) + ": share of the row's assignments, %", head, rows);
}

std::string controls_table(const SpecialisedLayer& layer) {
  if (!layer.information) return "";
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const Measured& m, const char* interval) {
    rows.push_back({html(m.name), fixed(m.value, 4), fixed(m.low, 4) + " to " + fixed(m.high, 4), interval});
  };
  add(*layer.information, "bootstrap interval");
  for (const Measured& control : layer.controls) add(control, "a standard deviation below, the largest draw");
  std::string text = html_table("Block " + std::to_string(layer.block) +
                                    ": normalised mutual information of expert and class, and where it would stand "
                                    "without anything learnt",
                                {"", "value", "range", "of the range"}, rows);
  if (layer.p_value) text += "<p>p = " + fixed(*layer.p_value, 4) + " against shuffled labels.</p>\n";
  return text;
}

}  // namespace

std::string verdict_section(const ReportParts& parts) {
  std::string text;
  const std::string adopt = text_or(parts.manifest, "verdict_for_grammar_tutor", "");
  if (!adopt.empty()) text += "<p><strong>Verdict: " + html(adopt) + "</strong></p>\n";
  if (!parts.health.is_null()) {
    text += "<p>" + std::string(adopt.empty() ? "<strong>" : "") + "Router: " + html(verdict_of(parts.health)) +
            (adopt.empty() ? "</strong>" : "") + "</p>\n";
  }
  if (text.empty()) text = "<p>No verdict: nothing here has judged it.</p>\n";
  return "<section class=\"verdict\" aria-label=\"Verdict\">\n" + text + "</section>\n";
}

std::string routing_section(const ReportParts& parts, const std::filesystem::path& out) {
  const Json* layers = find(parts.health, "layers");
  const bool judged = layers && layers->is_array();
  bool routed = judged;
  for (const auto& [title, metrics] : parts.curves) {
    const Json* found = metrics.empty() ? nullptr : find(metrics.back(), "layers");
    routed = routed || (found && !found->empty());
  }
  if (!routed) return "";
  std::string text = "<section id=\"routing\">\n<h2>Routing</h2>\n";
  if (judged) {
    text += health_table(*layers);
    for (const Json& layer : *layers) {
      text += "<h3>Layer " + html(text_or(layer, "block", text_or(layer, "layer", "?"))) + ": " +
              html(text_or(layer, "verdict", "-")) + "</h3>\n" + element("p", text_or(layer, "reason", ""));
      text += bullets(layer, "findings");
      const std::string advice = bullets(layer, "advice");
      if (!advice.empty()) text += "<p>What to try:</p>\n" + advice;
    }
  } else {
    text += "<p>No health.json: this routing was not judged.</p>\n";
  }
  return text +
         picture_figure(out, "routing-analysis",
                        "Assignments of each expert beside its gate mass, load shares over the steps, effective "
                        "experts, and MaxVio. Router: " +
                            verdict_of(parts.health)) +
         "</section>\n";
}

std::string specialisation_section(const ReportParts& parts, const std::filesystem::path& out) {
  if (parts.specialisation.is_null()) return "";
  const SpecialisationView view = read_specialisation(parts.specialisation);
  std::string text = "<section id=\"specialisation\">\n<h2>What the experts divide</h2>\n";
  if (view.by_frequency) text += "<p>This corpus has no classes: tokens are grouped by how often they occur.</p>\n";
  if (!view.text.empty()) text += element("p", view.text);
  text += picture_figure(out, "expert-by-class",
                         "Share of each class's assignments that each expert takes, beside the mutual information and "
                         "its controls; the tables below hold the numbers");
  for (const SpecialisedLayer& layer : view.layers) {
    text += "<h3>Block " + std::to_string(layer.block) + "</h3>\n";
    if (!layer.text.empty()) text += element("p", layer.text);
    text += controls_table(layer);
    if (layer.word_explains) {
      text += "<p>Word form explains " + fixed(100 * *layer.word_explains, 1) + " % of the choice";
      if (layer.class_beyond_word) {
        text += "; class adds " + fixed(100 * *layer.class_beyond_word, 1) + " % beyond it";
      }
      text += ".</p>\n";
    }
    if (!layer.rows.empty()) {
      text += "<details" + std::string(layer.num_experts <= 16 ? " open" : "") +
              "><summary>Numbers of the picture</summary>\n" + class_table(layer, view.by_frequency) + "</details>\n";
    }
  }
  return text + "</section>\n";
}

std::string manifest_section(const ReportParts& parts) {
  const Json& m = parts.manifest;
  if (!m.is_object()) return "";
  std::string list;
  const auto add = [&](const char* name, const Json* value) {
    if (value) list += "<dt>" + html(name) + "</dt><dd>" + html(plain(*value)) + "</dd>\n";
  };
  const auto add_member = [&](const char* name, const char* object, const char* key) {
    if (const Json* found = find(m, object)) add(name, find(*found, key));
  };
  add_member("Corpus", "corpus", "name");
  add_member("Corpus, SHA-256", "corpus", "sha256");
  add_member("Vocabulary", "corpus", "vocab_size");
  add("Seeds", find(m, "seeds") ? find(m, "seeds") : find(m, "seed"));
  add("Steps", find(m, "steps"));
  add("Experts", find(m, "num_experts"));
  add("Top k", find(m, "top_k"));
  add("MoE blocks", find(m, "moe_layer_indices"));
  add("Balance loss coefficient", find(m, "alpha_aux_loss"));
  add("Validation loss", find(m, "val_loss"));
  add("Validation perplexity", find(m, "val_perplexity"));
  add_member("Version", "build", "version");
  add("Version", find(m, "version"));
  add_member("Compiler", "build", "compiler");
  add_member("Instruction set", "exec", "instruction_set");
  add_member("Threads", "exec", "num_threads");
  add_member("CPU", "cpu", "model");
  return "<section id=\"manifest\">\n<h2>How it was made</h2>\n<dl>\n" + list +
         "</dl>\n<details><summary>Everything, as JSON</summary>\n<pre>" + html(json_text(m, 2)) +
         "</pre></details>\n</section>\n";
}

}  // namespace cli
