// SPDX-License-Identifier: Apache-2.0
// Real files as token sources.
#pragma once

#include "minimoe/core/tensor.hpp"
#include "minimoe/data/token_source.hpp"

namespace minimoe {

enum class FileFormat {
  kAuto,    ///< by name: .conllu, .conllu.gz -> CoNLL-U; .bin -> token file; anything else -> text
  kText,    ///< UTF-8, one token a byte (vocabulary 256)
  kConllu,  ///< CoNLL-U, one token a word, classes from UPOS and FEATS
  kTokens,  ///< nanoGPT .bin: uint16 little-endian, no header
};

struct FileSourceOptions {
  FileFormat format = FileFormat::kAuto;
  double val_fraction =
      0.1;  ///< share of the tokens (CoNLL-U: sentences) at the file's end kept for validation, (0, 0.5]
  std::size_t max_vocab = 2048;        ///< CoNLL-U: most frequent words kept, the rest is <unk>; 3..65536
  std::size_t vocab_size = 0;          ///< token files: ids must be below it; 0: largest id + 1
  MemoryResource* resource = nullptr;  ///< for the file's bytes and tokens; outlives the source
};

/// Reads a file (.gz is decompressed) whole. @throws Error(kIo | kCorruptFile | kInvalidArgument) with file and line.
std::unique_ptr<TokenSource> open_file_source(const std::string& path, const FileSourceOptions& options = {});

}  // namespace minimoe
