// SPDX-License-Identifier: Apache-2.0
// Checkpoints: one safetensors file with weights, moments, expert biases, and the run's configuration and position.
#pragma once

#include <memory>

#include "minimoe/train/run_config.hpp"
#include "minimoe/train/trainer.hpp"

namespace minimoe {

/// Writes `path` atomically: a temporary file beside it, synced, then renamed; on any error an earlier file stays as it
/// was. Tensors: every parameter and buffer under its name, and optimizer.moment1.NAME / optimizer.moment2.NAME.
/// Metadata: "format": "pt", "minimoe.config": the run's JSON, "minimoe.state": {"step", "seed"}; all randomness is
/// addressed by these two, so they are the random state and the data position.
/// @throws Error(kIo).
template <class T>
void save_checkpoint(const std::string& path, const RunConfig& config, MiniGPT<T>& model, Trainer<T>& trainer);

/// Writes `parameters`, those of a model of config.model, and no moments, at step 0, likewise; load_weights and
/// read_checkpoint_* read it.
template <class T>
void save_model(const std::string& path, const RunConfig& config, const ParameterList<T>& parameters);

class SafetensorsFile;

/// A checkpoint or saved model, opened once: what is read of it belongs together, even when a trainer puts the next one
/// in its place meanwhile.
class Checkpoint {
 public:
  /// Reads the file's header only. @throws Error(kIo | kCorruptFile).
  explicit Checkpoint(const std::string& path);
  ~Checkpoint();

  /// The configuration that it was written with.
  RunConfig config() const;
  /// config(), checked to be that of a model whose weights the file can hold: a file of a few bytes must not make
  /// anybody allocate a large model.
  RunConfig config_of_model() const;
  /// Completed optimizer steps.
  std::int64_t step() const;
  /// As load_weights, below.
  template <class T>
  void load_weights(MiniGPT<T>& model) const;

 private:
  std::unique_ptr<const SafetensorsFile> file_;
};

/// The configuration that a checkpoint was written with. @throws Error(kIo | kCorruptFile).
RunConfig read_checkpoint_config(const std::string& path);
/// Completed optimizer steps of a checkpoint.
std::int64_t read_checkpoint_step(const std::string& path);

/// Reads weights and buffers into `model`. @throws Error(kShape) listing the missing, extra and misshapen tensors of a
/// file of another model; Error(kCorruptFile) for one that says it is of this very model. The model is then unchanged.
template <class T>
void load_weights(const std::string& path, MiniGPT<T>& model);
/// Reads everything; training goes on bit for bit as if it had not stopped.
/// @throws Error(kInvalidArgument) naming the keys of the model, or train.{seed, batch_size, seq_len,
/// accumulation_steps}, that differ from the checkpoint's, Error(kShape) when its tensors do too; Error(kCorruptFile)
/// as load_weights. All leave model and trainer unchanged; only a disk that fails while being read (kIo) does not.
template <class T>
void resume_checkpoint(const std::string& path, MiniGPT<T>& model, Trainer<T>& trainer);

}  // namespace minimoe
