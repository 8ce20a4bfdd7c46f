// SPDX-License-Identifier: Apache-2.0
#include "analysis/verdict_json.hpp"

#include "analysis/json_cursor.hpp"
#include "core/json_writer.hpp"
#include "minimoe/analysis/comparison_verdict.hpp"

namespace minimoe {
namespace {

std::vector<std::string> variant_names() {
  return {"dense_baseline", "moe_variant", "dense_active_matched", "dense_total_matched"};
}

std::string optional_json(const std::optional<double>& value) { return value ? json_of(*value) : "null"; }

void check_keys(const JsonText& json, const JsonCursor& root, const std::string& where) {
  require(json.duplicate_keys.empty(), where, ": ", json.duplicate_keys.empty() ? "" : json.duplicate_keys.front(),
          " stands there twice");
  root.refuse_unknown_keys(variant_names());
}

VariantFigures variant_figures(const JsonCursor& variant, bool is_timed) {
  VariantFigures figures;
  figures.val_loss = variant.at("val_loss").numbers();
  if (is_timed) figures.cpu_time_s = variant.at("cpu_time_s").numbers();
  return figures;
}

void write_verdict(JsonWriter& out, const ComparisonVerdict& v) {
  out.member("verdict", name_of(v.verdict)).member("rule", v.rule).member("reasons", v.reasons).member("gain", v.gain);
  out.raw_member("gain_low", optional_json(v.gain_low)).raw_member("gain_high", optional_json(v.gain_high));
  out.raw_member("cpu_time_ratio", optional_json(v.cpu_time_ratio)).begin("differences", '{');
  out.raw_member("moe_variant_minus_dense_baseline", spread_json(v.to_dense));
  out.raw_member("moe_variant_minus_dense_active_matched", spread_json(v.to_active_matched));
  out.raw_member("moe_variant_minus_dense_total_matched", spread_json(v.to_total_matched)).end('}');
  out.begin("limits", '{').member("confidence", kConfidence).member("least_gain", kLeastGain);
  out.member("same_perplexity", kSamePerplexity).member("cpu_time_ratio", kCpuTimeRatioLimit).end('}');
}

}  // namespace

std::string spread_json(const Spread& s) {
  JsonWriter out;
  out.begin('{').member("mean", s.mean).member("std", s.std).member("min", s.min).member("max", s.max);
  out.raw_member("low", optional_json(s.low)).raw_member("high", optional_json(s.high));
  out.member("n", s.values.size()).member("values", s.values).end('}');
  return out.text();
}

std::string compare_verdict_json(std::string_view text, const std::string& where) {
  const JsonText json = read_json(text, where, ErrorCode::kInvalidArgument);
  const JsonCursor root(where, json.root);
  check_keys(json, root, where);
  const ComparisonFigures figures = {
      variant_figures(root.at("moe_variant"), true), variant_figures(root.at("dense_baseline"), true),
      variant_figures(root.at("dense_active_matched"), false), variant_figures(root.at("dense_total_matched"), false)};
  JsonWriter out;
  out.begin('{');
  write_verdict(out, compare_verdict(figures));
  const std::size_t num_seeds = figures.moe.val_loss.size();
  out.begin("spread", '{');
  for (const std::string& name : variant_names()) {
    out.begin(name, '{');
    const JsonCursor variant = root.at(name);
    for (const std::string& key : variant.keys()) {
      const JsonCursor figure = variant.at(key);
      const std::vector<double> values = figure.numbers();
      if (values.size() != num_seeds) figure.refuse(concat("one number for each of ", num_seeds, " seeds"));
      out.raw_member(key, spread_json(spread_of(values)));
    }
    out.end('}');
  }
  out.end('}').end('}');
  return out.text();
}

}  // namespace minimoe
