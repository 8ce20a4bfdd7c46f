// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numeric>

#include "gnuplot.hpp"
#include "machine.hpp"
#include "picture_parts.hpp"
#include "pictures.hpp"
#include "routing_series.hpp"
#include "specialisation_view.hpp"
#include "verdict_view.hpp"

namespace cli {

namespace {

constexpr double kWidth = 1200, kHead = 60, kLayerHeight = 845;
constexpr std::size_t kMaxLayers = 6, kMaxPoints = 300, kMaxBands = 8;
constexpr const char* kCounts = "#0072b2";
constexpr const char* kMass = "#d55e00";

struct Layer {
  RoutingSeries series;
  std::vector<RoutingWindow> windows;
  std::size_t window = 1;
  LayerVerdict verdict;
  std::vector<double> histogram;
  std::string histogram_of;
};

std::string text_of(double value) { return fixed(value, 5); }

// The windows of the verdict when it says them.
std::size_t window_of(const Json& health, std::size_t num_lines) {
  if (health.is_object() && health.contains("window") && health.at("window").is_number_integer()) {
    const std::int64_t window = health.at("window").get<std::int64_t>();
    if (window > 0) return std::min(static_cast<std::size_t>(window), num_lines);
  }
  return std::clamp<std::size_t>(num_lines / 12, 1, 50);
}

std::string last_steps(const Layer& layer) { return "last " + std::to_string(layer.window) + " training steps"; }

void take_histogram(Layer& layer, const Json& specialisation) {
  layer.histogram = layer.windows.back().share;
  layer.histogram_of = last_steps(layer);
  if (specialisation.is_null()) return;
  const SpecialisationView view = read_specialisation(specialisation);
  for (const SpecialisedLayer& routed : view.layers) {
    const double total = std::accumulate(routed.histogram.begin(), routed.histogram.end(), 0.0);
    if (routed.block != layer.series.block || routed.num_experts != layer.series.num_experts || total <= 0) continue;
    layer.histogram = routed.histogram;
    for (double& count : layer.histogram) count /= total;
    layer.histogram_of = (view.split.empty() ? "the split" : view.split) + ", " +
                         count_text(static_cast<std::uint64_t>(total)) + " assignments";
  }
}

class RoutingPicture {
 public:
  explicit RoutingPicture(std::vector<Layer> layers) : layers_(std::move(layers)) {}

  Picture make(const std::string& title, const std::string& subtitle) {
    height_ = 2 * std::ceil((kHead + kLayerHeight * static_cast<double>(layers_.size())) / 2);  // as class_picture.cpp
    heading(title, subtitle);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const Layer& layer = layers_[i];
      const double top = kHead + kLayerHeight * static_cast<double>(i);
      layer_heading(layer, top + 22);
      histogram(layer, {110, top + 148, 305, 250});
      loads(layer, {680, top + 148, 335, 250});
      concentration(layer, {110, top + 520, 305, 250});
      violation(layer, {680, top + 520, 335, 250});
    }
    return {"routing-analysis",
            static_cast<std::size_t>(kWidth),
            static_cast<std::size_t>(height_),
            body_,
            {{"routing-analysis.dat", blocks_.text()}}};
  }

 private:
  std::string panel(const Area& area, const std::string& title) const {
    return begin_panel(kWidth, height_, area, gnuplot_string(title, 100));
  }

  // Labels need a plot to belong to: an empty one without axes.
  void texts(const std::string& labels) {
    body_ += "reset\nunset border\nunset tics\nunset key\nset margins 0,0,0,0\nset xrange [0:1]\nset yrange [0:1]\n" +
             labels + "plot NaN notitle\n";
  }

  void heading(const std::string& title, const std::string& subtitle) {
    texts(place_text(kWidth, height_, 25, 30, gnuplot_string(title, 90), "font big") +
          place_text(kWidth, height_, kWidth - 25, 31, gnuplot_string(subtitle, 100), "right tc rgb '#444444'"));
  }

  void layer_heading(const Layer& layer, double y) {
    std::string head = "Block " + std::to_string(layer.series.block) + ": " + layer.verdict.verdict + "   (" +
                       std::to_string(layer.series.num_experts) + " experts";
    if (layer.series.top_k > 0) head += ", top " + fixed(layer.series.top_k, 0);
    head += ")";
    std::string labels = place_text(kWidth, height_, 25, y, gnuplot_string(head, 110), "font middle");
    if (!layer.verdict.reason.empty()) {
      labels +=
          place_text(kWidth, height_, 25, y + 32, gnuplot_lines(layer.verdict.reason, 115, 2), "tc rgb '#444444'");
    }
    texts(labels);
  }

  // Beside the panel, where it hides no line.
  std::string key(const Area& area) const {
    return "set key at screen " + text_of((area.left + area.width + 8) / kWidth) + "," +
           text_of(1 - (area.top - 8) / height_) + " left top Left reverse samplen 2.2 vertical maxcols 1\n";
  }

  // A key of our own: gnuplot's leaves out what it finds no room for.
  std::string list_beside(const Area& area, const std::vector<std::pair<std::string, std::string>>& entries) const {
    const bool crowded = entries.size() > 10;
    const double left = area.left + area.width + 14, step = crowded ? 14.5 : 20;
    std::string text;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const double y = area.top + step * static_cast<double>(i);
      const std::string height = text_of(1 - y / height_);
      text += "set arrow from screen " + text_of(left / kWidth) + "," + height + " to screen " +
              text_of((left + 36) / kWidth) + "," + height + " nohead " + entries[i].second + "\n" +
              place_text(kWidth, height_, left + 44, y, gnuplot_string(entries[i].first, 30),
                         crowded ? "left font small" : "left");
    }
    return text;
  }

  std::string uniform_line(const Layer& layer, const char* with_title) const {
    const std::string uniform = text_of(1 / static_cast<double>(layer.series.num_experts));
    return uniform + " with lines lc rgb '#000000' lw 1.2 dt (3,4) " + with_title;
  }

  void histogram(const Layer& layer, const Area& area) {
    const std::size_t index = blocks_.begin("block " + std::to_string(layer.series.block) + ", " + layer.histogram_of +
                                            ": expert, share of assignments, gate mass of the last window");
    double largest = 0;
    for (std::size_t e = 0; e < layer.series.num_experts; ++e) {
      const double mass = layer.windows.back().mass[e];
      blocks_.row({static_cast<double>(e), layer.histogram[e], mass});
      largest = std::max({largest, layer.histogram[e], mass});
    }
    const std::string data = "'routing-analysis.dat' index " + std::to_string(index);
    const bool many = layer.series.num_experts > 16;  // too thin for two bars each
    body_ += panel(area, "Assignments: " + layer.histogram_of) + expert_tics(named_experts(layer.histogram)) +
             "set xlabel 'expert'\nset ylabel 'share' offset 1,0\n" +
             "set xrange [-0.7:" + text_of(static_cast<double>(layer.series.num_experts) - 0.3) +
             "]\nset yrange [0:" + text_of(std::max(largest * 1.08, 1e-3)) + "]\n" + key(area) + "plot " + data +
             (many ? " using 1:2:(0.8)" : " using ($1-0.2):2:(0.38)") + " with boxes fs solid 1 noborder lc rgb '" +
             kCounts + "' title 'assigned', " + data +
             (many ? " using 1:3 with points pt 7 ps 0.4 lc rgb '"
                   : " using ($1+0.2):3:(0.38) with boxes fs pattern 4 lc rgb '") +
             kMass + "' title 'gate mass', " + uniform_line(layer, "title '1/E'") + "\n";
    if (layer.histogram_of != last_steps(layer)) {
      texts(place_text(kWidth, height_, area.left + area.width + 12, area.top + 95,
                       gnuplot_lines("gate mass: " + last_steps(layer), 16, 4), "left font small tc rgb '#444444'"));
    }
  }

  // Shares, effective experts and MaxVio of all windows: one block a layer, which the other panels use too.
  void write_windows(const Layer& layer) {
    windows_index_ = blocks_.begin(
        "block " + std::to_string(layer.series.block) + ", windows of " + std::to_string(layer.window) +
        " steps: last step, effective experts / E of counts, of gate mass, MaxVio of the window, mean and largest "
        "MaxVio "
        "of its batches, drop rate, then share, smallest and largest batch share of each expert, then least and most "
        "of all");
    for (const RoutingWindow& w : layer.windows) {
      std::vector<double> row = {w.step,      w.effective_share, w.mass_effective_share,
                                 w.violation, w.batch_violation, w.batch_violation_high,
                                 w.drop_rate};
      for (std::size_t e = 0; e < w.share.size(); ++e) {
        for (const double value : {w.share[e], w.low[e], w.high[e]}) row.push_back(value);
      }
      row.push_back(*std::min_element(w.low.begin(), w.low.end()));
      row.push_back(*std::max_element(w.high.begin(), w.high.end()));
      blocks_.row(row);
    }
  }

  std::string windows_data() const { return "'routing-analysis.dat' index " + std::to_string(windows_index_); }

  std::string steps_axis(const Layer& layer) const {
    const double last = layer.series.steps.back();
    return "set xlabel 'step'\nset xrange [0:" + text_of(std::max(last, 1.0)) + "]\n";
  }

  void loads(const Layer& layer, const Area& area) {
    write_windows(layer);
    const std::string data = windows_data();
    const std::size_t num_experts = layer.series.num_experts;
    const std::vector<std::size_t> named = named_experts(layer.windows.back().share);
    std::string plot;
    const auto add = [&](const std::string& what) { plot += (plot.empty() ? "plot " : ", ") + what; };
    if (num_experts <= kMaxBands) {
      for (std::size_t e = 0; e < num_experts; ++e) {
        const std::string low = std::to_string(9 + 3 * e), high = std::to_string(10 + 3 * e);
        const std::string line = expert_line(e);
        add(data + " using 1:" + low + ":" + high + " with filledcurves fs transparent solid 0.12 noborder " +
            line.substr(0, line.find(" dt")) + " notitle");
      }
    } else {
      const std::string low = std::to_string(8 + 3 * num_experts), high = std::to_string(9 + 3 * num_experts);
      add(data + " using 1:" + low + ":" + high + " with filledcurves fs solid 1 noborder lc rgb '#e8e8e8' notitle");
    }
    for (std::size_t e = 0; e < num_experts; ++e) {
      const std::string share = std::to_string(8 + 3 * e);
      const bool is_named = std::binary_search(named.begin(), named.end(), e);
      if (!is_named) add(data + " using 1:" + share + " with lines lc rgb '#b0b0b0' lw 0.6 notitle");
    }
    std::vector<std::pair<std::string, std::string>> entries;
    for (const std::size_t e : named) {
      add(data + " using 1:" + std::to_string(8 + 3 * e) + " with lines lw 2 " + expert_line(e) + " notitle");
      entries.emplace_back("expert " + std::to_string(e), "lw 2 " + expert_line(e));
    }
    add(uniform_line(layer, "notitle"));
    entries.emplace_back("1/E", "lw 1.2 lc rgb '#000000' dt (3,4)");
    body_ += panel(area, "Load share, mean of " + std::to_string(layer.window) + " steps (shade: batches)") +
             steps_axis(layer) + "set ylabel 'share' offset 1,0\nset yrange [0:*]\nunset key\n" +
             list_beside(area, entries) + plot + "\n";
  }

  void concentration(const Layer& layer, const Area& area) {
    const std::string data = windows_data();
    std::string floor;
    const double top_k = std::round(layer.series.top_k), num_experts = static_cast<double>(layer.series.num_experts);
    if (top_k > 0 && top_k < num_experts) {
      floor = ", " + text_of(top_k / num_experts) + " with lines lc rgb '#808080' lw 1.2 dt (2,6) title 'K/E'";
    }
    body_ += panel(area, "Effective experts / E") + steps_axis(layer) +
             "set ylabel 'exp(entropy) / E' offset 1,0\nset yrange [0:1.04]\nset ytics 0,0.2,1\n" + key(area) +
             "plot 1 with lines lc rgb '#000000' lw 1.2 dt (3,4) title 'even', " + data +
             " using 1:2 with lines lw 2.2 lc rgb '" + kCounts + "' title 'counts', " + data +
             " using 1:3 with lines lw 2.2 dt (12,5) lc rgb '" + kMass + "' title 'gate mass'" + floor + "\n";
  }

  void violation(const Layer& layer, const Area& area) {
    const std::string data = windows_data();
    double largest = 0.1;
    bool drops = false;
    for (const RoutingWindow& w : layer.windows) {
      largest = std::max(largest, w.batch_violation_high);
      drops = drops || w.drop_rate > 0;
    }
    body_ += panel(area, "MaxVio: largest / mean load - 1") + steps_axis(layer) +
             "set ylabel 'MaxVio' offset 1,0\nset yrange [0:" + text_of(largest * 1.08) + "]\n" + key(area) + "plot " +
             data + " using 1:6 with filledcurves y1=0 fs solid 1 noborder lc rgb '#dcdcdc' title 'worst batch', " +
             data + " using 1:5 with lines lw 2 dt (12,5) lc rgb '" + kMass + "' title 'batch mean', " + data +
             " using 1:4 with lines lw 2.2 lc rgb '" + kCounts + "' title 'window'" +
             (drops ? ", " + data + " using 1:7 with lines lw 2 dt (3,3) lc rgb '#000000' title 'drop rate'" : "") +
             "\n";
  }

  std::vector<Layer> layers_;
  double height_ = 0;
  std::size_t windows_index_ = 0;
  std::string body_;
  DataBlocks blocks_;
};

}  // namespace

Drawn draw_routing_analysis(const std::filesystem::path& out, const std::vector<Json>& metrics_lines,
                            const Json& specialisation, const Json& health) {
  std::vector<RoutingSeries> series = read_routing_series(metrics_lines);
  if (series.empty() || series.front().steps.empty()) {
    return {false, std::string("routing-analysis.png is not drawn: ") +
                       (metrics_lines.empty() ? "there is no metrics.jsonl" : "the metrics hold no MoE layer")};
  }
  std::vector<Layer> layers;
  const std::size_t num_layers = series.size();
  for (std::size_t i = 0; i < num_layers; ++i) {
    Layer layer;
    layer.window = window_of(health, series[i].steps.size());
    layer.windows = routing_windows(series[i], layer.window, kMaxPoints);
    layer.verdict = layer_verdict(health, i, num_layers, series[i].block);
    layer.series = std::move(series[i]);
    take_histogram(layer, specialisation);
    layers.push_back(std::move(layer));
  }
  std::string subtitle = "steps " + fixed(layers.front().series.steps.front(), 0) + " to " +
                         fixed(layers.front().series.steps.back(), 0) + ", windows of " +
                         std::to_string(layers.front().window);
  if (num_layers > kMaxLayers) {
    std::stable_sort(layers.begin(), layers.end(),
                     [](const Layer& a, const Layer& b) { return a.verdict.rank > b.verdict.rank; });
    layers.resize(kMaxLayers);
    subtitle += ", the " + std::to_string(kMaxLayers) + " worst of " + std::to_string(num_layers) + " MoE layers";
  }
  return draw(out, RoutingPicture(std::move(layers)).make("Routing analysis: " + verdict_of(health), subtitle));
}

}  // namespace cli
