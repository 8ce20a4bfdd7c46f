// SPDX-License-Identifier: Apache-2.0
// One training run from its first step, or from its checkpoint, to its result: what `train` and `compare` share.
#pragma once

#include <cstdio>
#include <filesystem>

#include "evaluation.hpp"
#include "json_text.hpp"
#include "library.hpp"
#include "metrics_outputs.hpp"
#include "run_directory.hpp"

namespace cli {

struct RunRequest {
  capi::Dataset dataset;
  Json config;  ///< as Dataset::fit_config gives it
  capi::Options options;
  std::filesystem::path directory = {};
  std::string label = {};          ///< in progress lines
  Json floors = {};                ///< of entropy_floors
  EvaluationSize evaluation = {};  ///< at the end
  bool resume = false;
  bool quiet = false;  ///< no progress
  std::FILE* log = nullptr;
  std::int64_t log_interval = 200;  ///< of histograms too
  MetricsFormats metrics = {};      ///< beside metrics.jsonl
  std::int64_t eval_interval = 0;   ///< 0: at the end only
  std::int64_t save_interval = 0;   ///< 0: at the end only
  std::int64_t stop_at = 0;         ///< 0: at the end of the schedule
  /// A checkpoint whose weights and buffers replace the start values.
  std::filesystem::path start_weights = {};
  bool keeps_frozen_bias = true;           ///< false: without bias balancing, expert_bias begins at 0 nevertheless
  std::int64_t interference_interval = 0;  ///< steps between samples of the routers' interference; 0: none
};

enum class RunOutcome { kFinished, kStopped, kInterrupted };

class TrainingRun {
 public:
  /// Builds model and trainer, and reads the checkpoint when resuming; touches no file. @throws BadInput, Failure.
  explicit TrainingRun(RunRequest request);

  /// Makes or reopens the run directory: the first call that touches a file. @throws BadInput.
  void begin();
  /// After begin(). @throws RunFailed, or Failure with what made a step impossible.
  RunOutcome run();
  /// After kFinished: what stands in result.json.
  const Json& result() const { return result_; }
  std::int64_t step() const { return trainer_.step(); }

 private:
  void take(const Json& metrics_line);
  Json metrics_line(const capi::StepMetrics& metrics, double seconds, double cpu) const;
  void log_step(const capi::StepMetrics& metrics) const;
  double validate(const Json& unfinished_line);
  void load_start_weights();
  bool samples_interference(std::int64_t step) const;
  void record(const Json& metrics_line);
  void flush();
  void save();
  [[noreturn]] void save_and_fail(const std::string& reason);
  void finish();
  Json health() const;
  double train_loss() const;

  RunRequest request_;
  capi::Model model_;
  capi::Trainer trainer_;
  RunDirectory files_;
  MetricsOutputs outputs_;
  std::int64_t total_steps_;
  std::vector<double> losses_;  ///< of every step
  double wall_ = 0, cpu_ = 0;
  std::int64_t tokens_ = 0;
  bool was_finished_ = false;  ///< before it was resumed: its last validation is told
  Json result_;
};

/// {"name", "sha256", "vocab_size"}
Json corpus_identity(const capi::Dataset& dataset);

/// Says in one line what the numbers of the log lines are.
std::string log_header(const Json& config);

/// The lines that stand before a run: model, parameters, FLOPs, memory, data.
std::string run_summary(const Json& config, const capi::Dataset& dataset, const capi::Options& options,
                        const Json& floors);
/// The same as JSON: {"parameters": {"total", "active"}, "train_flops_per_token", "memory_bytes": {...}}
Json run_costs(const Json& config, const capi::Options& options);
/// Throws BadInput when the validation split of `dataset` is shorter than a window.
void require_validation_window(const capi::Dataset& dataset, const Json& config);
/// Throws BadInput when the estimate is above what this machine has.
void require_memory(const Json& costs);

}  // namespace cli
