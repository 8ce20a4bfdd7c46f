// SPDX-License-Identifier: Apache-2.0
#include "comparison_check.hpp"

#include <cstdio>
#include <cstring>

#include "atomic_file.hpp"
#include "exit_codes.hpp"
#include "expected_ranges.hpp"
#include "json_text.hpp"
#include "machine.hpp"
#include "text_table.hpp"

namespace cli {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxManifestBytes = 1 << 26;

Json read_manifest(const fs::path& path) {
  const Json manifest = Json::parse(read_whole_file(path, kMaxManifestBytes), nullptr, false);
  if (!manifest.is_object()) throw BadInput(path.string() + ": no manifest of a comparison");
  return manifest;
}

// The first value of `expected` that `found` does not have; "" when it has all.
std::string difference(const Json& expected, const Json& found, const std::string& path) {
  if (expected.is_object() && found.is_object()) {
    for (const auto& [key, value] : expected.items()) {
      const std::string inner = path.empty() ? key : path + "." + key;
      if (!found.contains(key)) return inner + " is missing";
      if (const std::string text = difference(value, found.at(key), inner); !text.empty()) return text;
    }
    return "";
  }
  if (expected == found) return "";
  return path + " is " + json_text(found) + ", expected " + json_text(expected);
}

double figure_at(const Json& manifest, const std::string& pointer, const fs::path& path) {
  const Json::json_pointer at(pointer);
  if (!manifest.contains(at) || !manifest.at(at).is_number()) {
    throw BadInput(path.string() + ": " + pointer + " is no number");
  }
  return manifest.at(at);
}

}  // namespace

void require_expected_ranges() {
  if (std::strlen(kExpectedRanges) > 0) return;
  throw BadInput("--check: this program was built without docs/lab-00/expected.json (make lab measures it)");
}

bool check_comparison(const fs::path& directory, bool as_json) {
  const fs::path path = directory / "manifest.json";
  const Json expected = Json::parse(kExpectedRanges), manifest = read_manifest(path);
  const std::string other = difference(expected.at("protocol"), manifest, "");
  if (!other.empty()) throw BadInput(path.string() + ": not the lab protocol: " + other);
  std::vector<TextRow> rows = {{"figure", "this run", "expected", ""}};
  Json figures = Json::array();
  std::size_t num_outside = 0;
  for (const Json& range : expected.at("ranges")) {
    const double value = figure_at(manifest, range.at("path"), path);
    const double low = range.at("low"), high = range.at("high");
    const bool within = value >= low && value <= high;
    num_outside += !within;
    rows.push_back(
        {range.at("name"), fixed(value, 4), fixed(low, 4) + " .. " + fixed(high, 4), within ? "within" : "OUTSIDE"});
    figures.push_back({{"name", range.at("name")}, {"value", value}, {"low", low}, {"high", high}, {"within", within}});
  }
  if (as_json) {
    std::printf("%s\n", json_text({{"within", num_outside == 0}, {"figures", figures}}).c_str());
  } else {
    std::printf("%s%zu of %zu figures within mean ± 2 standard deviations of the project's seeds\n",
                text_table(rows).c_str(), figures.size() - num_outside, figures.size());
  }
  return num_outside == 0;
}

}  // namespace cli
