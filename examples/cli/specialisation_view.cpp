// SPDX-License-Identifier: Apache-2.0
#include "specialisation_view.hpp"

#include <algorithm>
#include <cmath>

#include "exit_codes.hpp"

namespace cli {

namespace {

constexpr std::size_t kMaxCounts = 4096;

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw BadInput("specialisation " + where + ": " + what);
}

const Json* find(const Json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || object.at(key).is_null()) return nullptr;
  return &object.at(key);
}

double number(const Json& object, const char* key, const std::string& where) {
  const Json* value = find(object, key);
  if (!value) refuse(where, "no \"" + std::string(key) + "\"");
  const double result = value->is_number() ? value->get<double>() : NAN;
  if (!std::isfinite(result)) refuse(where + "." + key, json_text(*value) + " came, expected a finite number");
  return result;
}

std::optional<double> optional_number(const Json& object, const char* key, const std::string& where) {
  if (!find(object, key)) return std::nullopt;
  return number(object, key, where);
}

std::string text(const Json& object, const char* key) {
  const Json* value = find(object, key);
  return value && value->is_string() ? value->get<std::string>() : "";
}

std::vector<double> numbers(const Json& object, const char* key, std::size_t size, const std::string& where) {
  const Json* array = find(object, key);
  if (!array || !array->is_array()) refuse(where, "no list \"" + std::string(key) + "\"");
  if (array->size() != size) {
    refuse(where + "." + key, "length " + std::to_string(array->size()) + ", expected " + std::to_string(size));
  }
  std::vector<double> values;
  for (const Json& value : *array) {
    const double number = value.is_number() ? value.get<double>() : NAN;
    if (!std::isfinite(number) || number < 0) {
      refuse(where + "." + key, "holds " + json_text(value) + ", allowed are finite numbers from 0 on");
    }
    values.push_back(number);
  }
  return values;
}

std::vector<ClassRow> read_rows(const Json& layer, const char* key, std::size_t num_experts, const std::string& where) {
  std::vector<ClassRow> rows;
  const Json* array = find(layer, key);
  if (!array) return rows;
  if (!array->is_array()) refuse(where + "." + key, "is no list");
  for (const Json& row : *array) {
    const std::string here = where + "." + key + "[" + std::to_string(rows.size()) + "]";
    const Json* enough = find(row, "enough");
    rows.push_back(
        {text(row, "name"), number(row, "count", here), !enough || !enough->is_boolean() || enough->get<bool>(), {}});
    const bool has_share = find(row, "share") != nullptr;
    if (!has_share && !rows.back().enough) {
      rows.back().share.assign(num_experts, 0);
    } else {
      rows.back().share = numbers(row, "share", num_experts, here);
    }
  }
  return rows;
}

void add_control(SpecialisedLayer& layer, const Json& controls, const char* key, const char* name,
                 const std::string& where) {
  const Json* control = find(controls, key);
  if (!control) return;
  const std::string here = where + ".controls." + key;
  const double mean = number(*control, "mean", here);
  const double spread = optional_number(*control, "std", here).value_or(0);
  const double high = std::max(mean, optional_number(*control, "max", here).value_or(mean + spread));
  layer.controls.push_back({name, std::max(0.0, mean - spread), mean, high});
}

SpecialisedLayer read_layer(const Json& json, bool by_frequency, const std::string& where) {
  SpecialisedLayer layer;
  const Json* histogram = find(json, "histogram");
  if (!histogram || !histogram->is_array() || histogram->empty() || histogram->size() > kMaxCounts) {
    refuse(where + ".histogram", "is no list of 1.." + std::to_string(kMaxCounts) + " counts");
  }
  layer.block = static_cast<std::size_t>(std::max(0.0, number(json, "block", where)));
  layer.num_experts = histogram->size();
  layer.histogram = numbers(json, "histogram", layer.num_experts, where);
  layer.top_k = optional_number(json, "top_k", where).value_or(0);
  layer.rows = read_rows(json, by_frequency ? "frequency" : "classes", layer.num_experts, where);
  if (!by_frequency) {
    std::stable_sort(layer.rows.begin(), layer.rows.end(),
                     [](const ClassRow& a, const ClassRow& b) { return a.count > b.count; });
  }
  if (const Json* nmi = find(json, "nmi")) {
    const double value = number(*nmi, "value", where + ".nmi");
    layer.information = Measured{"measured", optional_number(*nmi, "low", where + ".nmi").value_or(value), value,
                                 optional_number(*nmi, "high", where + ".nmi").value_or(value)};
  }
  if (const Json* controls = find(json, "controls")) {
    add_control(layer, *controls, "shuffled_labels", "shuffled labels", where);
    add_control(layer, *controls, "random_table", "random table", where);
    add_control(layer, *controls, "random_router", "random router", where);
    add_control(layer, *controls, "within_word_shuffle", "within-word shuffle", where);
    if (const Json* shuffled = find(*controls, "shuffled_labels")) {
      layer.p_value = optional_number(*shuffled, "p_value", where + ".controls.shuffled_labels");
    }
  }
  layer.word_explains = optional_number(json, "word_explains", where);
  layer.class_beyond_word = optional_number(json, "class_beyond_word", where);
  layer.conclusion = text(json, "conclusion");
  layer.text = text(json, "text");
  return layer;
}

}  // namespace

SpecialisationView read_specialisation(const Json& json) {
  if (!json.is_object()) refuse("document", "is no JSON object");
  SpecialisationView view{text(json, "corpus"),
                          text(json, "split"),
                          text(json, "text"),
                          optional_number(json, "num_tokens", "document").value_or(0),
                          text(json, "by") == "frequency",
                          {}};
  const Json* layers = find(json, "layers");
  if (!layers || !layers->is_array()) refuse("document", "no list \"layers\"");
  for (const Json& layer : *layers) {
    const std::string where = "layers[" + std::to_string(view.layers.size()) + "]";
    view.layers.push_back(read_layer(layer, view.by_frequency, where));
  }
  return view;
}

}  // namespace cli
