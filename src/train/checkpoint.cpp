// SPDX-License-Identifier: Apache-2.0
#include "minimoe/train/checkpoint.hpp"

#include <algorithm>
#include <limits>

#include "core/strict_json.hpp"
#include "train/config_difference.hpp"
#include "train/safetensors.hpp"

namespace minimoe {
namespace {

constexpr const char* kConfigKey = "minimoe.config";
constexpr const char* kStateKey = "minimoe.state";
constexpr const char* kOptimizerPrefix = "optimizer.";
constexpr const char* kMoment1Prefix = "optimizer.moment1.";
constexpr const char* kMoment2Prefix = "optimizer.moment2.";

struct CheckpointState {
  std::int64_t step = 0;
  std::uint64_t seed = 0;
};

[[noreturn]] void corrupt(const SafetensorsFile& file, const std::string& message) {
  throw Error(ErrorCode::kCorruptFile, concat(file.path(), ": ", message));
}

const std::string& metadata_text(const SafetensorsFile& file, const char* key) {
  const auto at = file.metadata().find(key);
  if (at == file.metadata().end()) corrupt(file, concat("no ", key, " in its metadata: not a checkpoint of minimoe"));
  return at->second;
}

RunConfig read_config(const SafetensorsFile& file) {
  try {
    return parse_run_config(metadata_text(file, kConfigKey));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    corrupt(file, concat(kConfigKey, ": ", error.what()));
  }
}

CheckpointState read_state(const SafetensorsFile& file) {
  const std::string where = concat(file.path(), ": ", kStateKey);
  const JsonText json = read_json(metadata_text(file, kStateKey), where, ErrorCode::kCorruptFile);
  const JsonValue *step = json.root.find("step"), *seed = json.root.find("seed");
  const bool complete = json.duplicate_keys.empty() && json.root.keys.size() == 2 && step && seed;
  if (!complete) corrupt(file, concat(kStateKey, ": allowed an object with step and seed"));
  constexpr std::uint64_t kMaxStep = std::numeric_limits<std::int64_t>::max();
  if (step->kind != JsonValue::Kind::kUnsigned || step->integer > kMaxStep) {
    corrupt(file, concat(kStateKey, ".step: ", step->description(), ", allowed an integer 0..", kMaxStep));
  }
  if (seed->kind != JsonValue::Kind::kUnsigned) {
    corrupt(file, concat(kStateKey, ".seed: ", seed->description(), ", allowed an integer 0..", ~std::uint64_t{0}));
  }
  return {static_cast<std::int64_t>(step->integer), seed->integer};
}

/// Keys that decide what the stored tensors mean, and which windows come next. The rest (rates, the length of the
/// schedule, data) is the caller's to change.
bool fixes_the_run(const std::string& key) {
  return key.rfind("model.", 0) == 0 || key == "train.seed" || key == "train.batch_size" || key == "train.seq_len" ||
         key == "train.accumulation_steps";
}

/// Without this, the message would be a list of tensors.
void require_moments(const SafetensorsFile& file) {
  const bool any = std::any_of(file.entries().begin(), file.entries().end(), [](const SafetensorsFile::Entry& entry) {
    return entry.name.rfind(kOptimizerPrefix, 0) == 0;
  });
  if (!any) corrupt(file, "a saved model, without the optimizer's moments; only what a trainer saved can be resumed");
}

/// @param fits whether the file's tensors are those of `model` all the same.
void check_same_run(const SafetensorsFile& file, const RunConfig& stored, const ModelConfig& model,
                    const TrainConfig& train, bool fits) {
  RunConfig current = stored;
  current.model = model;
  current.train = train;
  std::string message;
  for (const KeyDifference& difference : compare_configs(stored, current)) {
    if (!fixes_the_run(difference.key)) continue;
    message += concat(message.empty() ? "" : "; ", difference.key, ": ", difference.left, " in the checkpoint, ",
                      difference.right, " here");
  }
  if (message.empty()) return;
  throw Error(fits ? ErrorCode::kInvalidArgument : ErrorCode::kShape,
              concat(file.path(), ": the run differs: ", message));
}

/// A file that says it is of this very model, and has other tensors, is damaged.
bool is_said_to_fit(const SafetensorsFile& file, const ModelConfig& model) {
  if (file.metadata().count(kConfigKey) == 0) return false;
  const RunConfig stored = read_config(file);
  RunConfig current = stored;
  current.model = model;
  return compare_configs(stored, current).empty();
}

void read_model_tensors(const SafetensorsFile& file, const ModelConfig& model, const std::vector<TensorToRead>& targets,
                        const std::string& ignored_prefix = {}) {
  try {
    read_tensors(file, targets, ignored_prefix);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kShape || !is_said_to_fit(file, model)) throw;
    throw Error(ErrorCode::kCorruptFile, error.what());
  }
}

template <class T>
std::vector<TensorToRead> model_targets(MiniGPT<T>& model) {
  std::vector<TensorToRead> targets;
  for (const ParameterRef<T>& p : model.parameters()) targets.push_back({p.name, kTensorType<T>, p.shape, p.value});
  return targets;
}

template <class T>
std::vector<TensorToWrite> parameter_tensors(const ParameterList<T>& parameters) {
  std::vector<TensorToWrite> tensors;
  for (const ParameterRef<T>& p : parameters) tensors.push_back({p.name, kTensorType<T>, p.shape, p.value});
  return tensors;
}

void write_file(const std::string& path, const RunConfig& config, std::int64_t step,
                std::vector<TensorToWrite> tensors) {
  const std::string text = run_config_json(config);
  parse_run_config(text);  // a range that only files know must stop the writing, not the reading
  write_safetensors(
      path, std::move(tensors),
      {{kConfigKey, text}, {kStateKey, concat("{\"step\":", step, ",\"seed\":", config.train.seed, "}")}});
}

}  // namespace

template <class T>
void save_checkpoint(const std::string& path, const RunConfig& config, MiniGPT<T>& model, Trainer<T>& trainer) {
  // What runs is what is written: config.model.vocab_size may be 0, "that of the data".
  RunConfig stored = config;
  stored.model = model.config();
  stored.train = trainer.config();
  const typename Trainer<T>::State& state = trainer.state();
  std::vector<TensorToWrite> tensors = parameter_tensors(model.parameters());
  for (std::size_t i = 0; i < state.weights.size(); ++i) {
    const ParameterRef<T>& p = state.weights[i];
    tensors.push_back({kMoment1Prefix + p.name, kTensorType<T>, p.shape, state.moment1[i].data()});
    tensors.push_back({kMoment2Prefix + p.name, kTensorType<T>, p.shape, state.moment2[i].data()});
  }
  write_file(path, stored, state.step, std::move(tensors));
}

template <class T>
void save_model(const std::string& path, const RunConfig& config, const ParameterList<T>& parameters) {
  write_file(path, config, 0, parameter_tensors(parameters));
}

Checkpoint::Checkpoint(const std::string& path) : file_(std::make_unique<SafetensorsFile>(path)) {}
Checkpoint::~Checkpoint() = default;

RunConfig Checkpoint::config() const { return read_config(*file_); }

RunConfig Checkpoint::config_of_model() const {
  RunConfig config = read_config(*file_);
  try {
    require_no_problems(config.model.problems());
  } catch (const Error& error) {
    corrupt(*file_, concat(kConfigKey, ": ", error.what()));
  }
  const std::size_t wanted = model_cost(config.model, config.train.seq_len).total_parameters;
  std::uint64_t held = 0;
  for (const SafetensorsFile::Entry& entry : file_->entries()) {
    if (entry.name.rfind(kOptimizerPrefix, 0) != 0) held += (entry.end - entry.begin) / tensor_type_size(entry.type);
  }
  if (held < wanted) {
    corrupt(*file_, concat("the model of its ", kConfigKey, " has ", wanted, " parameters, its tensors hold ", held,
                           " values"));
  }
  return config;
}

std::int64_t Checkpoint::step() const { return read_state(*file_).step; }

template <class T>
void Checkpoint::load_weights(MiniGPT<T>& model) const {
  read_model_tensors(*file_, model.config(), model_targets(model), kOptimizerPrefix);
}

RunConfig read_checkpoint_config(const std::string& path) { return Checkpoint(path).config(); }

std::int64_t read_checkpoint_step(const std::string& path) { return Checkpoint(path).step(); }

template <class T>
void load_weights(const std::string& path, MiniGPT<T>& model) {
  Checkpoint(path).load_weights(model);
}

template <class T>
void resume_checkpoint(const std::string& path, MiniGPT<T>& model, Trainer<T>& trainer) {
  const SafetensorsFile file(path);
  const CheckpointState stored = read_state(file);
  const RunConfig config = read_config(file);
  if (stored.seed != config.train.seed) {
    corrupt(file, concat(kStateKey, ".seed is ", stored.seed, ", train.seed of its configuration ", config.train.seed));
  }
  require_moments(file);
  std::vector<TensorToRead> targets = model_targets(model);
  const bool fits = tensor_misfits(file, targets, kOptimizerPrefix).empty();
  check_same_run(file, config, model.config(), trainer.config(), fits);

  typename Trainer<T>::State& state = trainer.state();
  for (std::size_t i = 0; i < state.weights.size(); ++i) {
    const ParameterRef<T>& p = state.weights[i];
    targets.push_back({kMoment1Prefix + p.name, kTensorType<T>, p.shape, state.moment1[i].data()});
    targets.push_back({kMoment2Prefix + p.name, kTensorType<T>, p.shape, state.moment2[i].data()});
  }
  read_model_tensors(file, model.config(), targets);
  state.step = stored.step;
}

#define MINIMOE_INSTANTIATE(T)                                                                   \
  template void save_checkpoint(const std::string&, const RunConfig&, MiniGPT<T>&, Trainer<T>&); \
  template void save_model(const std::string&, const RunConfig&, const ParameterList<T>&);       \
  template void Checkpoint::load_weights(MiniGPT<T>&) const;                                     \
  template void load_weights(const std::string&, MiniGPT<T>&);                                   \
  template void resume_checkpoint(const std::string&, MiniGPT<T>&, Trainer<T>&);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
