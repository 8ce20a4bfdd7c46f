// SPDX-License-Identifier: Apache-2.0
#include "metrics_lines.hpp"

#include <fstream>

#include "exit_codes.hpp"
#include "machine.hpp"

namespace cli {

namespace {

constexpr double kMemoryPerByte = 4;  // of a line as JSON values and as the series that are drawn

}  // namespace

std::string read_metrics(const std::filesystem::path& path,
                         const std::function<void(Json line, std::size_t number)>& take) {
  std::ifstream file(path);
  if (!file) throw BadInput(path.string() + ": cannot be opened");
  std::string text;
  for (std::size_t number = 1; std::getline(file, text); ++number) {
    if (text.empty()) continue;
    Json line;
    try {
      line = Json::parse(text);
    } catch (const Json::exception& broken) {
      const std::string where = path.string() + ":" + std::to_string(number);
      if (!file.eof()) throw BadInput(where + ": not JSON: " + broken.what());
      return where + ": this last line is cut off, as a killed run leaves it; read up to line " +
             std::to_string(number - 1);
    }
    take(std::move(line), number);
  }
  if (file.bad()) throw BadInput("cannot read " + path.string());
  return "";
}

void require_memory_for_metrics(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return;
  const auto bytes = static_cast<double>(size);
  require_memory("reading " + path.string() + " (" + bytes_text(bytes) + ")",
                 kMemoryPerByte * bytes + static_cast<double>(peak_rss_bytes()));
}

std::vector<Json> metrics_lines(const std::filesystem::path& path, std::vector<std::string>* notes) {
  std::error_code error;
  std::vector<Json> lines;
  if (!std::filesystem::exists(path, error)) return lines;
  const std::string note = read_metrics(path, [&](Json line, std::size_t) { lines.push_back(std::move(line)); });
  if (notes && !note.empty()) notes->push_back(note);
  return lines;
}

}  // namespace cli
