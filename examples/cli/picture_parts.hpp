// SPDX-License-Identifier: Apache-2.0
// What the two pictures share: panels placed in pixels, data blocks, and how experts look in colour and in grey.
#pragma once

#include <string>
#include <vector>

namespace cli {

/// The pixels of a picture's plotting area, from its top left corner.
struct Area {
  double left = 0, top = 0, width = 0, height = 0;
};

/// gnuplot commands that begin a panel: margins at `area` of a picture of that size, plain axes, a title.
std::string begin_panel(double picture_width, double picture_height, const Area& area, const std::string& title);
/// A text at a pixel, its vertical middle there. @param text a gnuplot string expression
std::string place_text(double picture_width, double picture_height, double x, double y, const std::string& text,
                       const std::string& options);

/// NAME.dat: blocks that gnuplot calls by index.
class DataBlocks {
 public:
  /// @return its index. @param columns what the columns are; must hold no line break
  std::size_t begin(const std::string& columns);
  void row(const std::vector<double>& values);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::size_t count_ = 0;
};

/// Line colour and dash of an expert: different in print too. "lc rgb '#0072b2' dt 2"
std::string expert_line(std::size_t expert);
/// Up to 16 experts are all named; of more, the three with the most and the three with the least. Ascending.
std::vector<std::size_t> named_experts(const std::vector<double>& share);
/// set xtics for bars or columns at 0 .. E-1: all of 16, else the named ones.
std::string expert_tics(const std::vector<std::size_t>& named);

}  // namespace cli
