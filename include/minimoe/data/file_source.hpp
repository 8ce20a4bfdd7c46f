// SPDX-License-Identifier: Apache-2.0
// Real files as token sources.
#pragma once

#include <string>

#include "minimoe/core/tensor.hpp"
#include "minimoe/data/token_source.hpp"

namespace minimoe {

enum class FileFormat {
  kAuto,    ///< by name: .conllu -> CoNLL-U; .jsonl -> JSON Lines; .bin -> llm.c's tokens if it begins with their mark,
            ///< else nanoGPT's; anything else -> text. Each may have .gz after it
  kText,    ///< UTF-8, one token a byte (vocabulary 256)
  kJsonl,   ///< JSON Lines: the string "text" of each line's object, a newline after each, tokens as of text
  kConllu,  ///< CoNLL-U, one token a word, classes from UPOS and FEATS
  kTokens,  ///< nanoGPT .bin: uint16 little-endian, no header
  kLlmc,    ///< llm.c .bin: a header of 256 int32, then uint16 (20240520, version 1) or uint32 (20240801, version 7)
};

struct FileSourceOptions {
  FileFormat format = FileFormat::kAuto;
  double val_fraction =
      0.1;  ///< share of the tokens (CoNLL-U: sentences) at the file's end kept for validation, (0, 1]
  std::size_t max_vocab = 2048;  ///< CoNLL-U: most frequent words kept, the rest is <unk>; 3..65536
  std::size_t vocab_size = 0;    ///< token files: ids must be below it; 0: largest id + 1
  /// Text and JSON Lines: "auto", a token a byte; "bpe:8192", a byte-level BPE vocabulary of up to that many tokens
  /// (256 to 65536), trained on what is not kept for validation; or the path of a tokenizer.json. CoNLL-U: "auto", a
  /// token a word; with a vocabulary its running text, each token with the class of its word. Token files: "auto".
  std::string tokenizer = "auto";
  MemoryResource* resource = nullptr;  ///< for the file's bytes and tokens; outlives the source
};

/// Reads a file (.gz is decompressed) whole. @throws Error(kIo | kCorruptFile | kInvalidArgument) with file and line.
std::unique_ptr<TokenSource> open_file_source(const std::string& path, const FileSourceOptions& options = {});

}  // namespace minimoe
