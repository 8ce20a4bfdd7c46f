// SPDX-License-Identifier: Apache-2.0
// A picture is a gnuplot script and its data, kept beside it: `gnuplot NAME.gp` draws it again.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pictures.hpp"

namespace cli {

struct DataFile {
  std::string name;  ///< "routing-analysis-load-0.dat"
  std::string content;
};

struct Picture {
  std::string name;                   ///< "routing-analysis"
  std::size_t width = 0, height = 0;  ///< of the SVG; the PNG has 1.5 times as many pixels
  std::string body;                   ///< gnuplot commands between `set multiplot` and `unset multiplot`
  std::vector<DataFile> data;
};

/// Writes NAME.gp and the data files into `out`, then has gnuplot draw NAME.png and NAME.svg. Earlier pictures of that
/// name are gone when this returns without drawn. @throws BadInput when a file cannot be written.
Drawn draw(const std::filesystem::path& out, const Picture& picture);

/// `text` as a gnuplot string constant that stands for itself in any terminal with `noenhanced`, cut to `max_length`
/// characters. Control characters and broken bytes, which no SVG may hold, become U+FFFD.
std::string gnuplot_string(const std::string& text, std::size_t max_length = 1000);
/// The same for a tic label, where gnuplot reads % as the start of a number format.
std::string gnuplot_tic_string(const std::string& text, std::size_t max_length);
/// `text` in lines of at most `width` characters, broken between words, as one gnuplot string expression.
std::string gnuplot_lines(const std::string& text, std::size_t width, std::size_t max_lines);

}  // namespace cli
