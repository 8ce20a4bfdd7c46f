// SPDX-License-Identifier: Apache-2.0
// A whole run as one JSON text: what the program, checkpoints and (later) the C ABI pass around.
#pragma once

#include <string>
#include <vector>

#include "minimoe/data/token_source.hpp"
#include "minimoe/model/model_config.hpp"
#include "minimoe/train/train_config.hpp"

namespace minimoe {

struct DataConfig {
  std::string corpus = "grammar";                     ///< "grammar" (embedded), or the path of a file
  std::string format = "auto";                        ///< of a file: auto, text, jsonl, conllu, tokens, llmc
  std::vector<std::string> languages = {"en", "es"};  ///< of the grammar corpus
  std::size_t num_eval_sentences = 4000;              ///< of the grammar corpus: sentences of each evaluation split
  double val_fraction = 0.1;                          ///< of a file, (0, 1]
  std::string tokenizer = "auto";                     ///< of text: auto (bytes), bpe:VOCAB, or a tokenizer.json
  std::size_t max_vocab = 2048;                       ///< of a CoNLL-U file, 3..65536

  std::vector<std::string> problems() const;
};

struct RunConfig {
  ModelConfig model;
  TrainConfig train;
  DataConfig data;

  /// Every problem of every part, and of their agreement (seq_len <= max_seq_len). model.vocab_size = 0 means "that of
  /// the data".
  std::vector<std::string> problems() const;
};

/// The lab's models: 2 blocks, d_model 64, 4 heads, d_ff 256, 64 tokens, batch 16; block 1 is MoE with E = 4, K = 2,
/// coefficient 0.01. vocab_size is 0 (that of the data).
RunConfig lab_preset();
RunConfig lab_dense_preset();

/// Parses {"model": {...}, "train": {...}, "data": {...}}; keys left out keep their defaults (those of model.preset,
/// "gpt2" or "llama", when it is given), but model.vocab_size, left out, is 0, and train.seq_len, left out, is no more
/// than model.max_seq_len. Syntax, types and ranges are checked
/// here, what the values mean together by RunConfig::problems. @throws Error(kInvalidArgument) for malformed JSON (with
/// line and column), a duplicate or unknown key (with its path and the nearest known key), a wrong type or range; every
/// bad field is named in one message. Text above 1 MiB or deeper than 32 is refused.
RunConfig parse_run_config(const std::string& json);
/// The whole configuration, defaults included, as JSON; parse_run_config reads it back to the same values.
std::string run_config_json(const RunConfig& config);
/// Every key, dotted ("model.moe.top_k"), with its type and default, for help texts.
struct ConfigKey {
  std::string key, type, default_value, meaning;
};
std::vector<ConfigKey> run_config_keys();

/// Opens what config.data names. @param resource for a file's bytes and tokens; outlives the source. @throws Error.
std::unique_ptr<TokenSource> open_token_source(const DataConfig& config, MemoryResource* resource = nullptr);

}  // namespace minimoe
