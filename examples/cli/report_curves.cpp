// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "html_text.hpp"
#include "line_chart.hpp"
#include "picture_parts.hpp"
#include "report_sections.hpp"
#include "routing_series.hpp"

namespace cli {

namespace {

constexpr std::size_t kMaxLoadPoints = 300, kMaxLayers = 6;

double number(const Json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object.at(key).is_number()) return NAN;
  return object.at(key).get<double>();
}

ChartLine line_of(const std::string& name, const std::vector<Json>& metrics, const char* key) {
  ChartLine line{name, {}, {}, false};
  for (const Json& step : metrics) {
    const double x = number(step, "step");
    if (!std::isfinite(x)) continue;
    line.x.push_back(x);
    line.y.push_back(number(step, key));
  }
  return line;
}

bool has_finite(const ChartLine& line) {
  for (const double y : line.y) {
    if (std::isfinite(y)) return true;
  }
  return false;
}

void add_reference(std::vector<ChartLine>& lines, const std::string& name, double value) {
  double last = 0;
  for (const ChartLine& line : lines) last = std::max(last, line.x.empty() ? 0 : line.x.back());
  if (std::isfinite(value)) lines.push_back({name, {0, last}, {value, value}, true});
}

std::string loads_of(const std::string& title, const std::vector<Json>& metrics, const std::string& id) {
  std::string text;
  std::size_t count = 0;
  for (const RoutingSeries& series : read_routing_series(metrics)) {
    if (series.steps.empty() || ++count > kMaxLayers) break;
    const std::size_t window = std::clamp<std::size_t>(series.steps.size() / 12, 1, 50);
    const std::vector<RoutingWindow> windows = routing_windows(series, window, kMaxLoadPoints);
    std::vector<ChartLine> lines;
    for (const std::size_t e : named_experts(windows.back().share)) {
      ChartLine line{"expert " + std::to_string(e), {}, {}, false};
      for (const RoutingWindow& w : windows) {
        line.x.push_back(w.step);
        line.y.push_back(w.share[e]);
      }
      lines.push_back(std::move(line));
    }
    add_reference(lines, "1/E", 1 / static_cast<double>(series.num_experts));
    const bool some = lines.size() < series.num_experts + 1;
    text += line_chart(id + "-block-" + std::to_string(series.block),
                       title + ": load share in block " + std::to_string(series.block) + ", mean of " +
                           std::to_string(window) + " steps" +
                           (some ? "; the three most and the three least loaded experts" : ""),
                       "share of assignments", lines);
  }
  return text;
}

}  // namespace

std::string curves_section(const ReportParts& parts) {
  if (parts.curves.empty()) return "";
  std::vector<ChartLine> losses, validation, aux;
  std::string loads;
  for (std::size_t i = 0; i < parts.curves.size(); ++i) {
    const auto& [title, metrics] = parts.curves[i];
    losses.push_back(line_of(title, metrics, "loss"));
    const ChartLine val = line_of(title, metrics, "val_loss"), balance = line_of(title, metrics, "aux_loss");
    if (has_finite(val)) validation.push_back(val);
    const std::string routed = loads_of(title, metrics, "load-" + std::to_string(i));
    if (!routed.empty() && has_finite(balance)) aux.push_back(balance);
    loads += routed;
  }
  const Json& manifest = parts.manifest;
  const Json floors = manifest.is_object() ? manifest.value("entropy_floor", Json()) : Json();
  add_reference(losses, "entropy floor", number(floors, "train"));
  std::string text =
      "<section id=\"curves\">\n<h2>Curves</h2>\n" + line_chart("loss", "Training loss, nats a token", "loss", losses);
  if (!validation.empty()) {
    for (ChartLine& line : validation) {  // validated now and then: only those steps
      ChartLine points{line.name, {}, {}, false};
      for (std::size_t i = 0; i < line.x.size(); ++i) {
        if (!std::isfinite(line.y[i])) continue;
        points.x.push_back(line.x[i]);
        points.y.push_back(line.y[i]);
      }
      line = points;
    }
    add_reference(validation, "entropy floor", number(floors, "val"));
    text += line_chart("val-loss", "Validation loss, nats a token", "loss", validation);
  }
  if (!aux.empty()) {
    add_reference(aux, "even", 1);
    text += line_chart("aux-loss", "Balance loss E Σ f P, unscaled, mean over MoE layers", "aux loss", aux);
  }
  return text + loads + "</section>\n";
}

}  // namespace cli
