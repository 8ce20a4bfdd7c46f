// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numeric>

#include "character.hpp"
#include "cividis.hpp"
#include "gnuplot.hpp"
#include "machine.hpp"
#include "picture_parts.hpp"
#include "pictures.hpp"
#include "specialisation_view.hpp"

namespace cli {

namespace {

constexpr double kWidth = 1200, kHead = 60, kLayerHead = 95, kLayerFoot = 90, kRowHeight = 32, kMinBody = 400;
constexpr double kMapLeft = 245, kMapWidth = 515, kControlsLeft = 1020, kControlsWidth = 155;
constexpr std::size_t kMaxLayers = 6, kMaxRows = 24, kMaxPrinted = 16;
constexpr double kAllRow = 0, kFirstRow = 1.35;  // a gap sets the base rate apart

std::string text_of(double value) { return fixed(value, 5); }

std::vector<double> base_rate(const SpecialisedLayer& layer) {
  std::vector<double> rate = layer.histogram;
  const double total = std::accumulate(rate.begin(), rate.end(), 0.0);
  for (double& share : rate) share = total > 0 ? share / total : 0;
  return rate;
}

// "word-form" for people.
std::string words(std::string name) {
  std::replace(name.begin(), name.end(), '-', ' ');
  return name;
}

class ClassPicture {
 public:
  explicit ClassPicture(SpecialisationView view) : view_(std::move(view)), num_layers_(view_.layers.size()) {
    if (num_layers_ > kMaxLayers) view_.layers.resize(kMaxLayers);
  }

  Picture make() {
    std::vector<double> bodies;
    height_ = kHead;
    for (const SpecialisedLayer& layer : view_.layers) {
      bodies.push_back(std::max(kMinBody, kRowHeight * (num_rows(layer) + kFirstRow + 0.2)));
      height_ += kLayerHead + bodies.back() + kLayerFoot;
    }
    height_ = 2 * std::ceil(height_ / 2);  // 1.5 times as many pixels are a whole number
    heading();
    double top = kHead;
    for (std::size_t i = 0; i < view_.layers.size(); ++i) {
      const SpecialisedLayer& layer = view_.layers[i];
      layer_heading(layer, top + 24);
      top += kLayerHead;
      const double map = kRowHeight * (num_rows(layer) + kFirstRow + 0.2);
      heatmap(layer, {kMapLeft, top, kMapWidth, map});
      controls(layer, {kControlsLeft, top, kControlsWidth, 210});
      top += bodies[i] + kLayerFoot;
    }
    return {"expert-by-class",
            static_cast<std::size_t>(kWidth),
            static_cast<std::size_t>(height_),
            body_,
            {{"expert-by-class.dat", blocks_.text()}}};
  }

 private:
  static double num_rows(const SpecialisedLayer& layer) {
    return static_cast<double>(std::min(layer.rows.size(), kMaxRows));
  }

  void texts(const std::string& labels) {
    body_ += "reset\nunset border\nunset tics\nunset key\nset margins 0,0,0,0\nset xrange [0:1]\nset yrange [0:1]\n" +
             labels + "plot NaN notitle\n";
  }

  void heading() {
    const std::string what =
        view_.by_frequency ? "Expert by token frequency (this corpus has no classes)" : "Expert by token class";
    std::string source = view_.corpus + (view_.split.empty() ? "" : ", " + view_.split);
    if (view_.num_tokens > 0) source += ", " + count_text(static_cast<std::uint64_t>(view_.num_tokens)) + " tokens";
    if (num_layers_ > kMaxLayers) {
      source += ", the first " + std::to_string(kMaxLayers) + " of " + std::to_string(num_layers_) + " MoE layers";
    }
    texts(place_text(kWidth, height_, 25, 30, gnuplot_string(what, 90), "font big") +
          place_text(kWidth, height_, kWidth - 25, 31, gnuplot_string(source, 90), "right tc rgb '#444444'"));
  }

  void layer_heading(const SpecialisedLayer& layer, double y) {
    std::string head = "Block " + std::to_string(layer.block) + ": ";
    head += layer.conclusion.empty() ? "no conclusion" : "experts divide by " + words(layer.conclusion);
    if (layer.conclusion == "none")
      head = "Block " + std::to_string(layer.block) + ": experts do not divide the tokens";
    if (layer.conclusion == "random-like") {
      head = "Block " + std::to_string(layer.block) + ": no more than a random router";
    }
    if (layer.conclusion == "undecided") {
      head = "Block " + std::to_string(layer.block) + ": left open, too few permutations";
    }
    std::string labels = place_text(kWidth, height_, 25, y, gnuplot_string(head, 110), "font middle");
    if (layer.rows.size() > kMaxRows) {
      labels += place_text(kWidth, height_, kWidth - 30, y,
                           gnuplot_string("the " + std::to_string(kMaxRows) + " largest of " +
                                              std::to_string(layer.rows.size()) + " classes; all in the data",
                                          110),
                           "right tc rgb '#444444'");
    }
    texts(labels);
  }

  // x, y, the cell's corners, share, colour of its text.
  void cells(const std::vector<double>& share, double y, double largest) {
    for (std::size_t e = 0; e < share.size(); ++e) {
      const auto x = static_cast<double>(e);
      const bool on_dark = text_is_white(share[e] / largest);
      blocks_.row({x, -y, x - 0.5, x + 0.5, -y - 0.5, -y + 0.5, 100 * share[e], on_dark ? 1.0 : 0.0});
    }
  }

  void heatmap(const SpecialisedLayer& layer, const Area& area) {
    const std::vector<double> base = base_rate(layer);
    double largest = *std::max_element(base.begin(), base.end());
    for (const ClassRow& row : layer.rows) {
      if (row.enough) largest = std::max(largest, *std::max_element(row.share.begin(), row.share.end()));
    }
    if (largest <= 0) largest = 1;
    const std::size_t index =
        blocks_.begin("block " + std::to_string(layer.block) +
                      ": expert, row, the cell's left, right, bottom, top, share in %, 1 where its "
                      "number is white; row 0 is all tokens");
    std::string tics = gnuplot_tic_string("all tokens", 26) + " 0";
    cells(base, kAllRow, largest);
    std::vector<double> hatched;
    for (std::size_t i = 0; i < layer.rows.size(); ++i) {
      const ClassRow& row = layer.rows[i];
      const double y = kFirstRow + static_cast<double>(i);
      if (i < kMaxRows) {
        const std::string count = " (" + count_text(static_cast<std::uint64_t>(row.count)) + ")";
        tics += ", " + gnuplot_tic_string(shortened(printable(row.name), 12) + count, 30) + " " + text_of(-y);
      }
      if (row.enough) {
        cells(row.share, y, largest);
      } else if (i < kMaxRows) {
        hatched.push_back(y);
      }
    }
    const std::string data = "'expert-by-class.dat' index " + std::to_string(index);
    std::string plot = "plot " + data + " using 1:2:3:4:5:6:7 with boxxyerror lc palette fs solid 1 noborder notitle";
    if (!hatched.empty()) {
      const std::size_t few = blocks_.begin("block " + std::to_string(layer.block) +
                                            ": rows of classes with too few tokens: middle, row, corners");
      const auto last = static_cast<double>(layer.num_experts) - 0.5;
      for (const double y : hatched) blocks_.row({(last - 0.5) / 2, -y, -0.5, last, -y - 0.5, -y + 0.5});
      plot += ", 'expert-by-class.dat' index " + std::to_string(few) +
              " using 1:2:3:4:5:6 with boxxyerror fs pattern 4 noborder lc rgb '#b8b8b8' notitle"
              ", '' index " +
              std::to_string(few) + " using 1:2:('too few tokens') with labels tc rgb '#505050' notitle";
    }
    if (layer.num_experts <= kMaxPrinted) {
      plot +=
          ", " + data + " using 1:2:(sprintf('%.0f', $7)):($8 > 0 ? 0xffffff : 0) with labels tc rgb variable notitle";
    }
    const double bottom = kFirstRow + num_rows(layer) - 0.5;
    body_ += begin_panel(kWidth, height_, area, gnuplot_string("share of the row's assignments, %", 80)) +
             "set border 0\nunset grid\nset tics scale 0\nset ytics (" + tics + ")\n" +
             expert_tics(named_experts(layer.histogram)) +
             "set xlabel 'expert'\nset xrange [-0.5:" + text_of(static_cast<double>(layer.num_experts) - 0.5) +
             "]\nset yrange [" + text_of(-bottom) + ":0.5]\n" + "set palette defined (" + cividis_anchors() +
             ")\nset cbrange [0:" + text_of(100 * largest) + "]\nset colorbox user origin screen " +
             text_of((area.left + area.width + 20) / kWidth) + "," +
             text_of(1 - (area.top + std::min(area.height, 300.0)) / height_) + " size screen " + text_of(16 / kWidth) +
             "," + text_of(std::min(area.height, 300.0) / height_) + "\nset cbtics scale 0.5\n" + plot + "\n";
  }

  void controls(const SpecialisedLayer& layer, const Area& area) {
    std::vector<Measured> points = layer.controls;
    if (layer.information) points.insert(points.begin(), *layer.information);
    double text_top = area.top + 20;
    if (!points.empty()) {
      const std::size_t index = blocks_.begin("block " + std::to_string(layer.block) +
                                              ": normalised mutual information: row, value, low, high");
      std::string tics;
      double largest = 0;
      for (std::size_t i = 0; i < points.size(); ++i) {
        blocks_.row({-static_cast<double>(i), points[i].value, points[i].low, points[i].high});
        tics +=
            (i > 0 ? ", " : "") + gnuplot_tic_string(points[i].name, 24) + " " + std::to_string(-static_cast<int>(i));
        largest = std::max(largest, points[i].high);
      }
      const std::string data = "'expert-by-class.dat' index " + std::to_string(index);
      const double reach = std::max(1e-3, largest * 1.1);  // all are 0 where every token uses every expert
      body_ += begin_panel(kWidth, height_, area,
                           gnuplot_string(view_.by_frequency ? "NMI(expert, bucket)" : "NMI(expert, class)", 60)) +
               "set border 1\nset ytics (" + tics + ") scale 0\nset grid noytics xtics lt 1 lw 0.5 lc rgb '#d9d9d9'\n" +
               "set xrange [0:" + text_of(reach) + "]\nset xtics autofreq " + tic_step(reach) + "\nset yrange [" +
               fixed(-static_cast<double>(points.size()) + 0.4, 1) + ":0.6]\nset bars 0.7\nplot " + data +
               " every ::1 using 2:1:3:4 with xerrorbars pt 6 ps 1.1 lw 1.6 lc rgb '#555555' notitle, " + data +
               " every ::0::0 using 2:1:3:4 with xerrorbars pt 7 ps 1.1 lw 2.2 lc rgb '#0072b2' notitle\n";
      text_top = area.top + area.height + 80;
    }
    std::string text = layer.text;
    const auto say = [&](const std::optional<double>& share, const char* what) {
      if (share) text += (text.empty() ? "" : " ") + std::string(what) + " " + fixed(100 * *share, 1) + " %.";
    };
    if (text.empty()) {
      say(layer.word_explains, "Of the choice, word form explains");
      say(layer.class_beyond_word, "Class adds beyond it");
    }
    if (text.empty()) return;
    texts(place_text(kWidth, height_, 850, text_top, gnuplot_lines(text, 35, 13), "left tc rgb '#333333'"));
  }

  static std::string tic_step(double reach) {
    double step = std::pow(10, std::floor(std::log10(reach)));
    while (reach / step > 4) step *= 2;
    while (reach / step < 2) step /= 2;
    return fixed(step, 6);
  }

  SpecialisationView view_;
  std::size_t num_layers_;
  double height_ = 0;
  std::string body_;
  DataBlocks blocks_;
};

}  // namespace

Drawn draw_expert_by_class(const std::filesystem::path& out, const Json& specialisation) {
  if (specialisation.is_null()) {
    return {false, "expert-by-class.png is not drawn: there is no specialisation.json (minimoe analyze writes it)"};
  }
  SpecialisationView view = read_specialisation(specialisation);
  if (view.layers.empty()) return {false, "expert-by-class.png is not drawn: the model has no MoE layer"};
  return draw(out, ClassPicture(std::move(view)).make());
}

}  // namespace cli
