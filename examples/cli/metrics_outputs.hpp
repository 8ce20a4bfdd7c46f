// SPDX-License-Identifier: Apache-2.0
// What `--metrics` writes beside metrics.jsonl, from the same lines: metrics.csv, and TensorBoard's event files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "event_file.hpp"
#include "exit_codes.hpp"
#include "json_text.hpp"

namespace cli {

struct MetricsFormats {
  bool csv = false, tensorboard = false;
};

inline constexpr const char* kMetricsHelp =
    "what each step's metrics are written as, a list of jsonl,csv,tensorboard: metrics.jsonl (always), metrics.csv, "
    "event "
    "files with a histogram of each load every --log-interval steps";

/// Of a list of jsonl, csv and tensorboard with commas between; jsonl is always written. @throws BadInput.
MetricsFormats metrics_formats(const std::string& list);

/// Those files of a run in `directory` that are there.
std::vector<std::filesystem::path> metrics_output_files(const std::filesystem::path& directory);

/// One value of a step; none where the step has none.
struct Metric {
  std::string tag;  ///< "train/loss", "moe/layer1/aux_loss"
  std::optional<double> value;
};

/// The values of a line of metrics.jsonl: the same tags for every line of a run.
std::vector<Metric> metrics_of_line(const Json& line);

/// Of lines[index] of metrics.jsonl at `source`.
BadInput bad_metrics_line(const std::filesystem::path& source, std::size_t index, const std::string& problem);

class MetricsOutputs {
 public:
  MetricsOutputs(std::filesystem::path directory, MetricsFormats formats, std::int64_t histogram_interval)
      : directory_(std::move(directory)), formats_(formats), histogram_interval_(histogram_interval) {}

  /// Opens the files of a new run. @throws BadInput.
  void begin();
  /// Goes on after `lines`, of metrics.jsonl: in the formats that were asked for and in those that the run has.
  /// metrics.csv is written anew from the lines, event files get another beside them.
  /// @param source  the file of the lines, for errors. @throws BadInput, before anything is written.
  void resume(const std::vector<Json>& lines, const std::filesystem::path& source);

  /// One step, as its line of metrics.jsonl tells it. @throws RunFailed, as do the others.
  void append(const Json& line);
  /// The validation after the last step, which stands in no line.
  void append_final_validation(std::int64_t step, double loss);
  void flush();
  void sync();

 private:
  void append_row(const Json& line);
  Summary summary_of(const Json& line) const;

  std::filesystem::path directory_;
  MetricsFormats formats_;
  std::int64_t histogram_interval_;  ///< steps between histograms of the load; the first step has one too
  std::optional<AppendedFile> csv_;
  std::string csv_header_;  ///< empty before the first row
  std::optional<EventFile> events_;
};

}  // namespace cli
