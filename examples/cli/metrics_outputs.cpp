// SPDX-License-Identifier: Apache-2.0
#include "metrics_outputs.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "atomic_file.hpp"
#include "nearest.hpp"
#include "routing_series.hpp"

namespace cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kCsvName = "metrics.csv";

// JSON has no NaN and says null.
double real_of(const Json& value) { return value.is_null() ? NAN : value.get<double>(); }

std::vector<double> reals_of(const Json& list) {
  std::vector<double> values;
  for (const Json& value : list) values.push_back(real_of(value));
  return values;
}

std::string layer_tag(const Json& layer) { return "moe/layer" + layer.at("block").dump() + "/"; }

std::string csv_number(double value) {
  if (std::isnan(value)) return "nan";
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

struct CsvLines {
  std::string header, row;  // each with its newline
};

CsvLines csv_lines(const Json& line) {
  CsvLines csv{"step", line.at("step").dump()};
  const auto add = [&](const std::string& name, const std::string& cell) {
    csv.header += "," + name;
    csv.row += "," + cell;
  };
  for (const Metric& metric : metrics_of_line(line)) add(metric.tag, metric.value ? csv_number(*metric.value) : "");
  for (const Json& layer : line.at("layers")) {
    std::size_t expert = 0;
    for (const Json& load : layer.at("load")) add(layer_tag(layer) + "load/" + std::to_string(expert++), load.dump());
  }
  csv.header += "\n";
  csv.row += "\n";
  return csv;
}

}  // namespace

MetricsFormats metrics_formats(const std::string& list) {
  MetricsFormats formats;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t comma = std::min(list.find(',', begin), list.size());
    const std::string name = list.substr(begin, comma - begin);
    const std::vector<std::string> known = {"jsonl", "csv", "tensorboard"};
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw BadInput("--metrics: '" + name + "' is no format" + did_you_mean(name, known) +
                     "; allowed a list of jsonl,csv,tensorboard");
    }
    formats.csv |= name == "csv";
    formats.tensorboard |= name == "tensorboard";
    begin = comma + 1;
  }
  return formats;
}

std::vector<fs::path> metrics_output_files(const fs::path& directory) {
  std::vector<fs::path> files = event_files(directory);
  std::error_code error;
  if (fs::exists(directory / kCsvName, error)) files.push_back(directory / kCsvName);
  return files;
}

std::vector<Metric> metrics_of_line(const Json& line) {
  const double seconds = line.value("seconds", 0.0);
  std::vector<Metric> metrics = {
      {"train/loss", real_of(line.at("loss"))},  {"val/loss", std::nullopt},
      {"lr", real_of(line.at("learning_rate"))}, {"grad_norm", real_of(line.at("grad_norm"))},
      {"tokens_per_sec", std::nullopt},          {"moe/aux_loss", real_of(line.at("aux_loss"))},
      {"moe/z_loss", real_of(line.at("z_loss"))}};
  if (line.contains("val_loss")) metrics[1].value = real_of(line.at("val_loss"));
  if (seconds > 0) metrics[4].value = real_of(line.at("tokens")) / seconds;
  if (line.at("layers").empty()) metrics.resize(5);
  for (const Json& layer : line.at("layers")) {
    const std::string tag = layer_tag(layer);
    const std::vector<double> dropped = reals_of(layer.at("dropped"));
    metrics.push_back({tag + "max_violation", max_violation(reals_of(layer.at("load")))});
    metrics.push_back({tag + "dropped", std::accumulate(dropped.begin(), dropped.end(), 0.0)});
    for (const char* name : {"aux_loss", "z_loss", "router_logit_norm", "bias_min", "bias_max"}) {
      metrics.push_back({tag + name, real_of(layer.at(name))});
    }
  }
  return metrics;
}

BadInput bad_metrics_line(const fs::path& source, std::size_t index, const std::string& problem) {
  return BadInput(source.string() + ":" + std::to_string(index + 1) + ": no line of a step's metrics: " + problem);
}

void MetricsOutputs::begin() {
  if (formats_.csv) csv_.emplace(directory_ / kCsvName, "w");
  if (formats_.tensorboard) events_.emplace(directory_, 1);
}

void MetricsOutputs::resume(const std::vector<Json>& lines, const fs::path& source) {
  std::error_code error;
  const fs::path csv = directory_ / kCsvName;
  formats_.csv |= fs::exists(csv, error);
  formats_.tensorboard |= !event_files(directory_).empty();
  if (formats_.csv) {
    std::string text;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      CsvLines of_line;
      try {
        of_line = csv_lines(lines[i]);
      } catch (const Json::exception& problem) {
        throw bad_metrics_line(source, i, problem.what());
      }
      if (i == 0) csv_header_ = text = of_line.header;
      if (of_line.header != csv_header_) throw bad_metrics_line(source, i, "its figures are not those of line 1");
      text += of_line.row;
    }
    write_file_atomically(csv, text);
    csv_.emplace(csv, "a");
  }
  if (formats_.tensorboard) events_.emplace(directory_, static_cast<std::int64_t>(lines.size()) + 1);
}

void MetricsOutputs::append(const Json& line) {
  if (csv_) append_row(line);
  if (events_) events_->append(line.at("step"), summary_of(line));
}

void MetricsOutputs::append_row(const Json& line) {
  const CsvLines csv = csv_lines(line);
  csv_->write(csv_header_.empty() ? csv.header + csv.row : csv.row);
  csv_header_ = csv.header;
}

Summary MetricsOutputs::summary_of(const Json& line) const {
  Summary summary;
  for (const Metric& metric : metrics_of_line(line)) {
    if (metric.value) summary.add_scalar(metric.tag, *metric.value);
  }
  const auto step = line.at("step").get<std::int64_t>();
  if (step != 1 && step % histogram_interval_ != 0) return summary;
  for (const Json& layer : line.at("layers")) {
    summary.add_histogram(layer_tag(layer) + "load", reals_of(layer.at("load")));
  }
  return summary;
}

void MetricsOutputs::append_final_validation(std::int64_t step, double loss) {
  if (!events_) return;
  Summary summary;
  summary.add_scalar("val/loss", loss);
  events_->append(step, summary);
}

void MetricsOutputs::flush() {
  if (csv_) csv_->flush();
  if (events_) events_->flush();
}

void MetricsOutputs::sync() {
  if (csv_) csv_->sync();
  if (events_) events_->sync();
}

}  // namespace cli
