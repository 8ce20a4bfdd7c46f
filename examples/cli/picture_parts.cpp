// SPDX-License-Identifier: Apache-2.0
#include "picture_parts.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "machine.hpp"

namespace cli {

namespace {

constexpr std::size_t kMaxNamed = 16;

}  // namespace

std::string begin_panel(double width, double height, const Area& area, const std::string& title) {
  const auto screen = [](const char* side, double at) {
    return "set " + std::string(side) + "margin at screen " + fixed(at, 5) + "\n";
  };
  return "reset\n" + screen("l", area.left / width) + screen("r", (area.left + area.width) / width) +
         screen("t", 1 - area.top / height) + screen("b", 1 - (area.top + area.height) / height) + "set title " +
         title + " offset 0,-0.3\nset border 3 lw 0.8\nset tics nomirror\n" +
         "set grid ytics lt 1 lw 0.5 lc rgb '#d9d9d9'\n";
}

std::string place_text(double width, double height, double x, double y, const std::string& text,
                       const std::string& options) {
  return "set label " + text + " at screen " + fixed(x / width, 5) + "," + fixed(1 - y / height, 5) + " " + options +
         "\n";
}

std::size_t DataBlocks::begin(const std::string& columns) {
  text_ += (count_ > 0 ? "\n\n" : "") + ("# index " + std::to_string(count_)) + ": " + columns + "\n";
  return count_++;
}

void DataBlocks::row(const std::vector<double>& values) {
  std::string line;
  for (const double value : values) {
    char number[40];
    std::snprintf(number, sizeof number, "%.7g", value);
    line += (line.empty() ? "" : " ") + std::string(std::isfinite(value) ? number : "nan");
  }
  text_ += line + "\n";
}

// Okabe and Ito's colours without their yellow, which paper does not show. 7 colours and 5 dashes differ up to 35.
std::string expert_line(std::size_t expert) {
  static constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#000000",
                                             "#cc79a7", "#e69f00", "#56b4e9"};
  static constexpr const char* kDashes[] = {"solid", "(14,5)", "(4,4)", "(16,4,3,4)", "(10,3,3,3,3,3)"};
  return "lc rgb '" + std::string(kColours[expert % 7]) + "' dt " + kDashes[expert % 5];
}

std::vector<std::size_t> named_experts(const std::vector<double>& share) {
  std::vector<std::size_t> experts(share.size());
  std::iota(experts.begin(), experts.end(), std::size_t{0});
  if (experts.size() <= kMaxNamed) return experts;
  std::stable_sort(experts.begin(), experts.end(), [&](std::size_t a, std::size_t b) { return share[a] > share[b]; });
  experts.erase(experts.begin() + 3, experts.end() - 3);
  std::sort(experts.begin(), experts.end());
  return experts;
}

std::string expert_tics(const std::vector<std::size_t>& named) {
  std::string text;
  for (const std::size_t expert : named) {
    text += (text.empty() ? "'" : ", '") + std::to_string(expert) + "' " + std::to_string(expert);
  }
  return "set xtics (" + text + ") scale 0" + (named.size() > 9 ? " font small" : "") + "\n";
}

}  // namespace cli
