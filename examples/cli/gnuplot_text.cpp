// SPDX-License-Identifier: Apache-2.0
#include "character.hpp"
#include "gnuplot.hpp"

namespace cli {

namespace {

// "]]>" may not stand in XML, and gnuplot's SVG passes it on: an invisible character parts it.
std::string in_quotes(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '>' && result.ends_with("]]")) result += "\u2060";
    result += c;
    if (c == '\'') result += c;
  }
  return result + "'";
}

}  // namespace

std::string gnuplot_string(const std::string& text, std::size_t max_length) {
  return in_quotes(shortened(printable(text), max_length));
}

std::string gnuplot_tic_string(const std::string& text, std::size_t max_length) {
  std::string doubled;
  for (const char c : shortened(printable(text), max_length)) {
    doubled += c;
    if (c == '%') doubled += c;
  }
  return in_quotes(doubled);
}

std::string gnuplot_lines(const std::string& text, std::size_t width, std::size_t max_lines) {
  std::vector<std::string> lines(1);
  const std::string all = printable(text) + " ";
  for (std::size_t begin = 0, end; (end = all.find(' ', begin)) != std::string::npos; begin = end + 1) {
    const std::string word = shortened(all.substr(begin, end - begin), width);
    if (word.empty()) continue;
    if (!lines.back().empty() && num_characters(lines.back()) + 1 + num_characters(word) > width) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
  }
  if (lines.size() > max_lines) {
    lines.resize(max_lines);
    lines.back() = shortened(lines.back(), width - 1) + "…";
  }
  std::string expression;
  for (const std::string& line : lines) expression += (expression.empty() ? "" : ".\"\\n\".") + in_quotes(line);
  return expression;
}

}  // namespace cli
