// SPDX-License-Identifier: Apache-2.0
#include "line_chart.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "character.hpp"
#include "html_text.hpp"
#include "machine.hpp"

namespace cli {

namespace {

constexpr double kLeft = 64, kRight = 560, kTop = 14, kBottom = 266, kWidth = 760, kHeight = 316;
constexpr std::size_t kMaxPoints = 300, kNumStyles = 7;

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void take(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

// Means of equal parts, so that thousands of steps stay readable. The parts' finite values count.
ChartLine thinned(const ChartLine& line, std::size_t part) {
  if (part <= 1) return line;
  ChartLine result{line.name, {}, {}, line.is_reference};
  for (std::size_t begin = 0; begin < line.x.size(); begin += part) {
    const std::size_t end = std::min(begin + part, line.x.size());
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (!std::isfinite(line.y[i])) continue;
      sum += line.y[i];
      ++count;
    }
    result.x.push_back(line.x[end - 1]);
    result.y.push_back(count > 0 ? sum / static_cast<double>(count) : NAN);
  }
  return result;
}

double nice_step(double span) {
  const double power = std::pow(10, std::floor(std::log10(span / 4)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (span / (factor * power) <= 5) return factor * power;
  }
  return 10 * power;
}

std::string tick_text(double value, double step) {
  return fixed(value, std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 6));
}

class Chart {
 public:
  Chart(const std::vector<ChartLine>& lines, std::size_t part) {
    for (const ChartLine& line : lines) {
      lines_.push_back(thinned(line, line.is_reference ? 1 : part));
      for (const double x : lines_.back().x) x_.take(x);
      for (const double y : lines_.back().y) y_.take(y);
    }
    x_.low = std::min(0.0, x_.low);
    if (!(x_.high > x_.low)) x_.high = x_.low + 1;
    const double span = y_.high > y_.low ? y_.high - y_.low : std::max(1e-6, std::abs(y_.high) * 0.1);
    const bool near_zero = y_.low >= 0 && y_.low < 0.5 * span;
    y_.low = near_zero ? 0 : y_.low - 0.05 * span;
    y_.high += 0.05 * span;
  }

  bool empty() const { return !std::isfinite(y_.low) || !std::isfinite(y_.high); }

  std::string svg(const std::string& id, const std::string& title, const std::string& y_label) const {
    const double height = std::max(kHeight, kTop + 17 * static_cast<double>(lines_.size() + 1));
    std::string text = "<svg viewBox=\"0 0 " + fixed(kWidth, 0) + " " + fixed(height, 0) +
                       "\" role=\"img\" aria-labelledby=\"" + id + "-title\" class=\"chart\">\n<title id=\"" + id +
                       "-title\">" + html(title) + "</title>\n" + axes(y_label);
    std::size_t style = 0;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      const std::string name = lines_[i].is_reference ? "ref" : "s" + std::to_string(style++ % kNumStyles);
      text += path(lines_[i], name) + legend(lines_[i].name, name, i);
    }
    return text + "</svg>\n";
  }

 private:
  double px(double x) const { return kLeft + (x - x_.low) / (x_.high - x_.low) * (kRight - kLeft); }
  double py(double y) const { return kBottom - (y - y_.low) / (y_.high - y_.low) * (kBottom - kTop); }

  static std::string label(double x, double y, const char* anchor, const std::string& text) {
    return "<text x=\"" + fixed(x, 1) + "\" y=\"" + fixed(y, 1) + "\" text-anchor=\"" + anchor + "\">" + html(text) +
           "</text>\n";
  }

  std::string axes(const std::string& y_label) const {
    std::string text;
    const double y_step = nice_step(y_.high - y_.low), x_step = nice_step(x_.high - x_.low);
    for (double y = std::ceil(y_.low / y_step) * y_step; y <= y_.high; y += y_step) {
      text += "<path class=\"grid\" d=\"M" + fixed(kLeft, 0) + " " + fixed(py(y), 1) + "H" + fixed(kRight, 0) +
              "\"/>\n" + label(kLeft - 7, py(y) + 4, "end", tick_text(std::abs(y) < 1e-12 ? 0 : y, y_step));
    }
    for (double x = std::ceil(x_.low / x_step) * x_step; x <= x_.high; x += x_step) {
      text += label(px(x), kBottom + 18, "middle", tick_text(x, x_step));
    }
    text += "<path class=\"axis\" d=\"M" + fixed(kLeft, 0) + " " + fixed(kTop, 0) + "V" + fixed(kBottom, 0) + "H" +
            fixed(kRight, 0) + "\"/>\n";
    return text + label((kLeft + kRight) / 2, kHeight - 10, "middle", "step") + "<text transform=\"translate(16 " +
           fixed((kTop + kBottom) / 2, 0) + ") rotate(-90)\" text-anchor=\"middle\">" + html(y_label) + "</text>\n";
  }

  std::string path(const ChartLine& line, const std::string& style) const {
    std::string d;
    bool pen_down = false;
    for (std::size_t i = 0; i < line.x.size(); ++i) {
      if (!std::isfinite(line.y[i])) {
        pen_down = false;
        continue;
      }
      d += (pen_down ? "L" : "M") + fixed(px(line.x[i]), 1) + " " + fixed(py(line.y[i]), 1);
      pen_down = true;
    }
    return d.empty() ? "" : "<path class=\"line " + style + "\" d=\"" + d + "\"/>\n";
  }

  static std::string legend(const std::string& name, const std::string& style, std::size_t row) {
    const double y = kTop + 8 + 17 * static_cast<double>(row);
    return "<path class=\"line " + style + "\" d=\"M" + fixed(kRight + 12, 0) + " " + fixed(y - 4, 1) + "h34\"/>\n" +
           label(kRight + 52, y, "start", shortened(printable(name), 20));
  }

  std::vector<ChartLine> lines_;
  Range x_, y_;
};

}  // namespace

std::string line_chart(const std::string& id, const std::string& title, const std::string& y_label,
                       const std::vector<ChartLine>& lines) {
  std::size_t longest = 0;
  for (const ChartLine& line : lines) longest = std::max(longest, line.x.size());
  const std::size_t part = (longest + kMaxPoints - 1) / kMaxPoints;
  const Chart chart(lines, part);
  if (chart.empty()) return "<p>" + html(title) + ": no finite value.</p>\n";
  const std::string caption =
      title + (part > 1 ? "; each point is the mean of " + std::to_string(part) + " steps" : "");
  return "<figure id=\"" + id + "\">\n" + chart.svg(id, title, y_label) + "<figcaption>" + html(caption) +
         "</figcaption>\n</figure>\n";
}

}  // namespace cli
