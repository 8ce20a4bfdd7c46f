// SPDX-License-Identifier: Apache-2.0
// The files of one run: config.json, corpus.json (name and hash of the data), tokenizer.json for text with a BPE
// vocabulary, metrics.jsonl (a line a step),
// checkpoint.safetensors, result.json, and health.json for a model with MoE layers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "appended_file.hpp"
#include "json_text.hpp"

namespace cli {

/// Throws BadInput when `directory` holds outputs of this program, unless `allowed`.
void refuse_existing_outputs(const std::filesystem::path& directory, bool allowed, const std::string& remedy);

/// Makes `path` and what is missing above it. @throws BadInput.
void make_directories(const std::filesystem::path& path);

/// What analyze, report and compare make of the files of a run or a comparison in `directory`.
std::vector<std::filesystem::path> derived_files(const std::filesystem::path& directory);
/// Removes those of `files` that exist. @throws BadInput.
void remove_files(const std::vector<std::filesystem::path>& files);

class RunDirectory {
 public:
  explicit RunDirectory(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path checkpoint() const { return path_ / "checkpoint.safetensors"; }
  std::filesystem::path config() const { return path_ / "config.json"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path result() const { return path_ / "result.json"; }
  std::filesystem::path health() const { return path_ / "health.json"; }
  std::filesystem::path tokenizer() const { return path_ / "tokenizer.json"; }
  /// Beside the tokenizer.json of an imported run.
  std::filesystem::path tokenizer_config() const { return path_ / "tokenizer_config.json"; }
  std::filesystem::path corpus() const { return path_ / "corpus.json"; }

  /// Makes the directory, writes the configuration and which data it is about, and removes what an earlier run left.
  /// The first call that touches anything. @param tokenizer  content of tokenizer.json; null: none. @throws BadInput.
  void begin(const Json& config, const Json& corpus, const Json& tokenizer);
  /// Cuts metrics.jsonl back to `step` lines and continues it; config.json becomes `config`, in which the data may be
  /// in another place. @return those lines. @throws BadInput when the lines 1 .. step are not there, or when the data
  /// is no longer what the run began with; the name of its file is its place.
  std::vector<Json> resume(std::int64_t step, const Json& config, const Json& corpus);

  /// Removes the files of a run, and the directory when nothing else is in it. @throws BadInput.
  void remove();

  /// One line of metrics.jsonl. @throws RunFailed.
  void append(const Json& line) { metrics_file_->write(json_text(line) + "\n"); }
  /// Hands everything appended so far to the operating system. @throws RunFailed.
  void flush() { metrics_file_->flush(); }
  /// The same, down to the disk: a checkpoint must not outlive the lines of its steps. @throws RunFailed.
  void sync() { metrics_file_->sync(); }

 private:
  std::filesystem::path path_;
  std::optional<AppendedFile> metrics_file_;
};

}  // namespace cli
