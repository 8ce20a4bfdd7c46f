// SPDX-License-Identifier: Apache-2.0
#include "analysis/number_text.hpp"
#include "core/json_writer.hpp"
#include "minimoe/analysis/specialisation.hpp"

namespace minimoe {
namespace {

void write_group(JsonWriter& out, const GroupShares& group, bool is_class) {
  out.begin('{').member("name", group.name).member("count", group.count).member("enough", group.enough);
  out.member("share", group.share);
  if (is_class) out.member("lift", group.lift);
  out.end('}');
}

void write_control(JsonWriter& out, const char* name, const ControlValues& control,
                   const LayerSpecialisation* tested = nullptr) {
  out.begin(name, '{').member("mean", control.mean).member("std", control.std).member("max", control.max);
  out.member("draws", control.num_draws);
  if (tested) {
    out.member("p_value", tested->p_value).member("least_p_value", tested->least_p_value());
    out.member("decidable", tested->is_decidable());
  }
  out.end('}');
}

void write_layer(JsonWriter& out, const LayerSpecialisation& layer) {
  out.begin('{').member("block", layer.block).member("num_experts", layer.num_experts).member("top_k", layer.top_k);
  out.member("histogram", layer.histogram).begin("by_choice", '[');
  for (const auto& counts : layer.by_choice) out.element(counts);
  out.end(']').begin("classes", '[');
  for (const GroupShares& group : layer.classes) write_group(out, group, true);
  out.end(']').begin("frequency", '[');
  for (const GroupShares& group : layer.frequencies) write_group(out, group, false);
  out.end(']').begin("nmi", '{').member("value", layer.nmi).member("low", layer.nmi_low);
  out.member("high", layer.nmi_high).member("ceiling", layer.nmi_ceiling).end('}');
  out.begin("controls", '{');
  write_control(out, "shuffled_labels", layer.shuffled_labels, &layer);
  write_control(out, "random_table", layer.random_table);
  write_control(out, "random_router", layer.random_router);
  write_control(out, "within_word_shuffle", layer.within_word_shuffle);
  out.end('}').member("word_explains", layer.word_explains).member("class_explains", layer.class_explains);
  out.member("class_beyond_word", layer.class_beyond_word).member("class_given_word", layer.class_given_word);
  out.member("conclusion", conclusion_name(layer.conclusion)).member("text", layer.text).end('}');
}

}  // namespace

std::string specialisation_text(const SpecialisationReport& report) {
  std::string text =
      concat(report.corpus, ", ", report.split, ": ", report.num_tokens, " tokens in ", report.num_windows, " windows");
  if (report.by_frequency) text += "; no token classes, so tokens are divided by the frequency of their word form";
  text += ".\n";
  for (const LayerSpecialisation& layer : report.layers) {
    text += concat("block ", layer.block, ": ", layer.text, "\n");
    std::string few;
    for (const GroupShares& group : layer.classes) {
      if (!group.enough) few += concat(few.empty() ? "" : ", ", group.name, " (", group.count, ")");
    }
    if (!few.empty()) {
      text += concat("  fewer than ", report.options.min_class_tokens, " tokens, shares say little: ", few, "\n");
    }
  }
  return text;
}

std::string specialisation_json(const SpecialisationReport& report) {
  JsonWriter out;
  out.begin('{').raw_member("corpus", json_of(report.corpus, BadUtf8::kReplace)).member("split", report.split);
  out.member("num_windows", report.num_windows).member("num_tokens", report.num_tokens);
  out.member("by", report.by_frequency ? "frequency" : "class").member("class_names", report.class_names);
  const SpecialisationOptions& o = report.options;
  out.begin("options", '{').member("seed", o.seed).member("num_permutations", o.num_permutations);
  out.member("num_bootstrap", o.num_bootstrap).member("num_tables", o.num_tables);
  out.member("num_routers", o.num_routers).member("num_word_shuffles", o.num_word_shuffles);
  out.member("min_class_tokens", o.min_class_tokens).end('}').begin("layers", '[');
  for (const LayerSpecialisation& layer : report.layers) write_layer(out, layer);
  out.end(']').raw_member("text", json_of(specialisation_text(report), BadUtf8::kReplace));
  return out.end('}').text();
}

}  // namespace minimoe
