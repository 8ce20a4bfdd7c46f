// SPDX-License-Identifier: Apache-2.0
#include "gnuplot.hpp"

#include <unistd.h>

#include "atomic_file.hpp"
#include "child_process.hpp"
#include "exit_codes.hpp"
#include "machine.hpp"

namespace cli {

namespace fs = std::filesystem;

namespace {

constexpr double kTimeoutSeconds = 120;
constexpr double kPngScale = 1.5;  // on paper, 250 dots an inch at the width of a page
constexpr std::size_t kMaxPictureBytes = std::size_t{1} << 28;

std::string script_of(const Picture& picture) {
  const auto size = [&](double scale) {
    return fixed(scale * static_cast<double>(picture.width), 0) + "," +
           fixed(scale * static_cast<double>(picture.height), 0);
  };
  const std::string file = gnuplot_string(picture.name);
  return "# Draws " + picture.name + ".png and " + picture.name + ".svg: gnuplot " + picture.name +
         ".gp\n"
         "if (!exists(\"picture\")) picture = " +
         file +
         "\n"
         "set encoding utf8\n"
         "set datafile missing 'nan'\n"
         "do for [format in \"png svg\"] {\n"
         "if (format eq \"png\") {\n"
         "big = ',18'; middle = ',15'; small = ',10'\n"
         "set terminal pngcairo size " +
         size(kPngScale) +
         " noenhanced font 'DejaVu Sans,13' fontscale 1.5 pointscale 1.5 linewidth 2.1 background rgb 'white'\n"
         "} else {\n"
         "big = ',24'; middle = ',20'; small = ',13'\n"
         "set terminal svg size " +
         size(1) +
         " noenhanced font 'DejaVu Sans,Verdana,sans-serif,17' linewidth 1.4 background rgb 'white'\n"
         "}\n"
         "set output picture.\".\".format\n"
         "set multiplot\n" +
         picture.body +
         "unset multiplot\n"
         "unset output\n"
         "}\n";
}

// gnuplot ends well after a write that failed.
bool is_whole(const fs::path& path, const std::string& end) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  const std::string content = read_whole_file(path, kMaxPictureBytes);
  const std::size_t last = content.rfind(end);
  return last != std::string::npos && content.size() - last <= end.size() + 8;
}

std::string one_line(const std::string& output) {
  std::string line;
  for (const char c : output) {
    const bool blank = c == '\n' || c == '\t' || c == ' ' || c == '\r';
    if (!blank) line += c;
    if (blank && !line.empty() && line.back() != ' ') line += ' ';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line.size() > 300 ? line.substr(0, 300) + "..." : line;
}

std::string why_not(const ChildResult& done, const std::string& name) {
  const std::string what = name + ".png and " + name + ".svg are not drawn: ";
  const std::string kept = "; the data and the script are kept (gnuplot " + name + ".gp)";
  if (!done.found) return what + "gnuplot is not installed (Debian package gnuplot-nox)" + kept;
  if (done.timed_out) return what + "gnuplot took more than " + std::to_string(int(kTimeoutSeconds)) + " s" + kept;
  const std::string said = one_line(done.output);
  return what + "gnuplot failed" + (said.empty() ? "" : ": " + said) + kept;
}

}  // namespace

Drawn draw(const fs::path& out, const Picture& picture) {
  const fs::path png = out / (picture.name + ".png"), svg = out / (picture.name + ".svg");
  for (const fs::path& old : {png, svg}) {
    std::error_code error;
    fs::remove(old, error);
    if (error) throw BadInput("cannot remove " + old.string() + ": " + error.message());
  }
  for (const DataFile& file : picture.data) write_file_atomically(out / file.name, file.content);
  write_file_atomically(out / (picture.name + ".gp"), script_of(picture));

  const std::string temporary = picture.name + ".tmp-" + std::to_string(getpid());
  const fs::path new_png = out / (temporary + ".png"), new_svg = out / (temporary + ".svg");
  const ChildResult done =
      run_child({"gnuplot", "--default-settings", "-e", "picture='" + temporary + "'", picture.name + ".gp"},
                out.empty() ? fs::path(".") : out, kTimeoutSeconds);
  std::error_code error;
  const bool whole =
      done.found && done.exit_code == 0 && is_whole(new_png, "IEND\xae\x42\x60\x82") && is_whole(new_svg, "</svg>");
  if (whole) fs::rename(new_png, png, error);
  if (whole && !error) fs::rename(new_svg, svg, error);
  if (whole && !error) return {true, ""};
  for (const fs::path& half : {new_png, new_svg, png, svg}) {
    std::error_code ignored;
    fs::remove(half, ignored);
  }
  if (error) throw BadInput("cannot write " + png.string() + ": " + error.message());
  return {false, why_not(done, picture.name)};
}

}  // namespace cli
