// SPDX-License-Identifier: Apache-2.0
#include "atomic_file.hpp"
#include "html_text.hpp"
#include "report_sections.hpp"

namespace cli {

namespace {

constexpr std::size_t kMaxPictureBytes = std::size_t{1} << 28;

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

// What stands between `open` and `close`, both included, is cut: once.
void cut(std::string& text, const std::string& open, const std::string& close) {
  const std::size_t begin = text.find(open);
  const std::size_t end = begin == std::string::npos ? begin : text.find(close, begin);
  if (end != std::string::npos) text.erase(begin, end + close.size() - begin);
}

// Two drawings in one page must not share identifiers, and gnuplot gives every drawing the same ones.
std::string inline_svg(std::string svg, const std::string& name, const std::string& alternative) {
  svg.erase(0, std::min(svg.find("<svg"), svg.size()));
  const std::string prefix = name + "-";
  for (const char* quote : {"'", "\""}) {
    const std::string q = quote;
    replace_all(svg, " id=" + q, " id=" + q + prefix);
    replace_all(svg, "href=" + q + "#", "href=" + q + "#" + prefix);
  }
  replace_all(svg, "url(#", "url(#" + prefix);
  cut(svg, "<title>", "</title>");
  cut(svg, "<desc>", "</desc>");
  const std::string head = "<svg role=\"img\" aria-label=\"" + html(alternative) + "\"";
  svg.replace(0, 4, head);
  // The page sets the size; the viewBox keeps the shape.
  const std::size_t end = svg.find('>');
  for (const char* key : {" width=\"", " height=\""}) {
    const std::size_t begin = svg.find(key);
    if (begin > end) continue;
    const std::size_t quote = svg.find('"', begin + std::string(key).size());
    if (quote < end) svg.erase(begin, quote + 1 - begin);
  }
  return svg;
}

}  // namespace

std::string picture_figure(const std::filesystem::path& out, const std::string& name, const std::string& alternative) {
  const std::filesystem::path path = out / (name + ".svg");
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return "<p class=\"note\">" + html(name) +
           ".svg is not there, so this page is without it. gnuplot (Debian package gnuplot-nox) draws it: "
           "<code>minimoe report</code> with this directory.</p>\n";
  }
  return "<figure class=\"picture\" id=\"" + name + "\">\n" +
         inline_svg(read_whole_file(path, kMaxPictureBytes), name, alternative) + "<figcaption>" + html(name) +
         ".png and .svg; " + html(name) + ".gp draws them from " + html(name) + ".dat</figcaption>\n</figure>\n";
}

}  // namespace cli
