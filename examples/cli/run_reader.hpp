// SPDX-License-Identifier: Apache-2.0
// A finished or stopped run, opened again by `eval`, `sample` and `train --resume`.
#pragma once

#include <filesystem>

#include "json_text.hpp"
#include "library.hpp"

namespace cli {

/// The data of a run's configuration. @param is_of_the_run whether nobody said where it is now: then a file that is not
/// there is refused with the remedy. A relative path is from where the program is started.
capi::Dataset open_data(const Json& config, bool is_of_the_run);

/// Makes the tokenizer of `config` (its data.tokenizer) that which `directory` holds, if it holds one: its run's tokens
/// are those of its vocabulary, whatever text is read now.
void use_tokenizer_of_run(Json& config, const std::filesystem::path& directory);

/// Whether a run's weights were imported, so that it has no data of its own.
bool is_imported(const Json& config);
/// Whether a corpus is a file of token ids, by its name.
bool is_token_file(const std::string& corpus);

/// A run's configuration, with the data and the vocabulary that its token ids are read with now. An imported run has no
/// data, and its vocabulary is the tokenizer.json beside its weights; only a .bin file needs none.
/// @param run     as checkpoint_of takes it @param corpus  of open_run
/// @throws BadInput when the vocabulary of the run is not there.
Json config_of_run(const std::string& run, const std::string& corpus);

/// The file of a run's weights. @param run a run directory or a checkpoint file. @throws BadInput.
std::string checkpoint_of(const std::string& run);

/// Whether `path` is a directory with a model of Hugging Face's, and no run.
bool is_hugging_face_directory(const std::string& path);
/// The directory that a run, a checkpoint file, a directory of Hugging Face's or a GGUF file is or lies in, absolute.
/// @throws BadInput when there is none.
std::filesystem::path directory_of_model(const std::string& path);
/// Whether `path` is a file that begins as GGUF; where there is nothing its suffix decides, for the message.
bool is_gguf_file(const std::string& path);
/// The model of a run, a checkpoint file, a directory of Hugging Face's or a GGUF file. @throws BadInput, Failure.
capi::Model open_any_model(const std::string& path, const capi::Options& options);

struct OpenedRun {
  std::string checkpoint;
  Json config;
  capi::Dataset dataset;
  capi::Model model;
};

/// @param run     a run directory or a checkpoint file
/// @param corpus  read this instead of what the run was trained on; empty: that
/// @throws BadInput, Failure.
OpenedRun open_run(const std::string& run, const std::string& corpus, const capi::Options& options);

}  // namespace cli
