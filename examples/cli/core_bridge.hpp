// SPDX-License-Identifier: Apache-2.0
// The one door between the program and the library, shaped like the C ABI that will replace it: configuration goes in
// as JSON text, JSON or plain values come out, objects are handles, training is pulled step by step. Only files named
// core_bridge.* include the library's headers.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace cli::core {

enum class Status : std::int32_t {
  kInvalidArgument = 1,
  kOutOfMemory = 2,
  kIo = 3,
  kCorruptFile = 4,
  kNonFinite = 5,
  kUnsupported = 6,
  kInternal = 7,
};

/// What every call below throws, and nothing else: status and message of the library.
class Failure : public std::runtime_error {
 public:
  Failure(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  Status status() const { return status_; }

 private:
  Status status_;
};

std::string version();
/// {"version", "compiler", "build_type", "matmul", "instruction_sets": [best first]}
std::string build_info();

/// The candidate that `word` is probably a typo of; empty when none is near.
std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates);

/// The lab preset as a whole configuration.
std::string lab_config();
/// Checks `config` and fills in every default.
std::string resolve_config(const std::string& config);
/// [{"key": "model.moe.top_k", "type", "default", "meaning"}]
std::string config_keys();
/// {"total_parameters", "active_parameters", "train_flops_per_token"}; model.vocab_size must be set.
std::string model_cost(const std::string& config);
/// {"parameters", "gradients", "moments", "activations", "workspace", "exec", "total"}, bytes. `exec` is
/// {"num_threads": 0, "instruction_set": "auto"}.
std::string estimate_memory(const std::string& config, const std::string& exec);

struct Window {
  std::vector<std::int32_t> tokens;   ///< seq_len + 1
  std::vector<std::uint8_t> classes;  ///< as many, or empty
};

/// A sentence of a generated corpus, with its end token.
struct Sentence {
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> classes;
  std::string kind;  ///< of drill
};

/// Where tokens come from. Copies share one dataset.
class Dataset {
 public:
  /// Opens what the "data" part of `config` names.
  static Dataset open(const std::string& config);
  /// `num_windows` training windows of uniformly random tokens, repeated for ever; no evaluation split.
  static Dataset random_tokens(std::size_t vocab_size, std::uint64_t num_windows, std::size_t seq_len,
                               std::uint64_t seed);

  /// {"name", "sha256", "vocab_size", "class_names": [], "memory_bytes"}
  std::string info() const;
  /// The resolved configuration with model.vocab_size set to that of this dataset where it was 0. Fails when ids of
  /// the dataset would not fit the model, or when it has no training window of train.seq_len.
  std::string fit_config(const std::string& config) const;

  std::string token_text(std::int32_t token) const;
  std::vector<std::int32_t> encode(const std::string& text) const;
  std::string decode(const std::vector<std::int32_t>& tokens) const;

  static const std::vector<std::string>& splits();  ///< "train" first
  /// 0 for a split that does not exist here; train has windows without end and gives none.
  std::uint64_t num_eval_windows(const std::string& split, std::size_t seq_len) const;
  Window train_window(std::uint64_t seed, std::uint64_t index, std::size_t seq_len) const;
  Window eval_window(const std::string& split, std::uint64_t index, std::size_t seq_len) const;
  /// Empty when the dataset is not made of addressable sentences. The evaluation splits ignore the seed.
  std::optional<Sentence> sentence(const std::string& split, std::uint64_t index, std::uint64_t seed) const;
  /// Nats a token; see TokenSource::entropy_floor.
  std::optional<double> entropy_floor(const std::string& split, std::size_t seq_len, std::uint64_t num_windows) const;

  struct Impl;

 private:
  friend class Model;
  friend class Trainer;
  explicit Dataset(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

struct ProbeScore {
  std::string kind;
  std::uint64_t correct = 0, asked = 0;
  std::uint64_t skipped = 0;  ///< longer than the model's context
};

/// A model and how it is computed. Copies share one model.
class Model {
 public:
  /// `config` as fit_config gives it; start values of train.seed.
  Model(const std::string& config, const std::string& exec);

  /// {"num_threads", "instruction_set"} in use.
  std::string exec_info() const;
  /// Blocks whose FFN is an MoE layer.
  std::vector<std::size_t> moe_blocks() const;
  void load_weights(const std::string& checkpoint);
  /// `options`: {"max_new_tokens", "temperature", "top_k", "seed", "stop_token"}. @return the new tokens.
  std::vector<std::int32_t> sample(const std::vector<std::int32_t>& prompt, const std::string& options) const;
  /// Exact answers of greedy decoding, one entry a kind of question; empty when the split has none.
  std::vector<ProbeScore> answer_probes(const Dataset& dataset, const std::string& split, std::size_t max_count) const;

  struct Impl;

 private:
  friend class Trainer;
  std::shared_ptr<Impl> impl_;
};

/// Fired from anywhere, a signal handler included; stays fired.
class CancelToken {
 public:
  void fire() { fired_.store(true); }
  bool fired() const { return fired_.load(); }

 private:
  std::atomic<bool> fired_{false};
  static_assert(std::atomic<bool>::is_always_lock_free);
};

struct StepMetrics {
  std::int64_t step = 0;
  double loss = 0, aux_loss = 0, z_loss = 0, total_loss = 0, learning_rate = 0, gradient_norm = 0;
  std::int64_t num_tokens = 0;
};

struct LayerRouting {
  std::size_t block = 0;
  std::vector<std::int64_t> load, dropped;
  std::vector<double> mean_probs;         ///< P_e
  std::vector<double> gate_weight_share;  ///< of all combine weights, that of each expert; sums to 1
  std::int64_t num_tokens = 0;
};

struct Evaluation {
  double loss = 0;
  std::int64_t num_targets = 0;
  std::uint64_t num_windows = 0;
  std::vector<LayerRouting> layers;
};

/// Keeps its model and its dataset alive.
class Trainer {
 public:
  Trainer(const Model& model, const Dataset& dataset, const std::string& config);

  std::int64_t step() const;  ///< completed
  /// At most `max_steps` further steps of the schedule; fewer when it ends or `cancel` is fired. On a failure the
  /// completed steps stay completed.
  std::vector<StepMetrics> steps(std::int64_t max_steps, const CancelToken* cancel);
  /// Of the last step, one entry an MoE layer.
  std::vector<LayerRouting> routing() const;
  /// @param max_windows 0: all of the split
  Evaluation evaluate(const std::string& split, std::uint64_t max_windows);

  void save(const std::string& path);
  void resume(const std::string& path);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

std::string checkpoint_config(const std::string& path);
std::int64_t checkpoint_step(const std::string& path);

}  // namespace cli::core
