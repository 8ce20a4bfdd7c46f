// SPDX-License-Identifier: Apache-2.0
#include "minimoe/data/file_source.hpp"

#include <utility>

#include "data/file/bpe_source.hpp"
#include "data/file/conllu_source.hpp"
#include "data/file/jsonl_reader.hpp"
#include "data/file/read_file.hpp"
#include "data/file/text_source.hpp"
#include "data/file/token_file_source.hpp"
#include "data/file/utf8.hpp"

namespace minimoe {
namespace {

TokenizerChoice validate(const FileSourceOptions& options) {
  std::string bad;
  const auto allow = [&](bool good, const auto&... what) {
    if (!good) bad += concat(bad.empty() ? "" : "; ", what...);
  };
  allow(options.val_fraction > 0 && options.val_fraction <= 1, "val_fraction is ", options.val_fraction,
        ", allowed above 0 up to 1");
  allow(options.max_vocab >= 3 && options.max_vocab <= 65536, "max_vocab is ", options.max_vocab,
        ", allowed 3 to 65536");
  allow(options.vocab_size <= 1048576, "vocab_size is ", options.vocab_size, ", allowed 0 (largest id + 1) to 1048576");
  TokenizerChoice choice;
  try {
    choice = tokenizer_choice(options.tokenizer);
  } catch (const Error& error) {
    allow(false, error.what());
  }
  require(bad.empty(), "file_source: ", bad);
  return choice;
}

FileFormat format_of(std::string_view path, const FileContent& content) {
  if (is_gzip_name(path)) path.remove_suffix(3);
  if (path.ends_with(".conllu")) return FileFormat::kConllu;
  if (path.ends_with(".jsonl")) return FileFormat::kJsonl;
  if (path.ends_with(".bin")) return has_llmc_mark(content.view()) ? FileFormat::kLlmc : FileFormat::kTokens;
  return FileFormat::kText;
}

}  // namespace

std::unique_ptr<TokenSource> open_file_source(const std::string& path, const FileSourceOptions& options) {
  const TokenizerChoice choice = validate(options);
  FileContent content = read_file(path, options.resource);
  try {
    const FileFormat format = options.format == FileFormat::kAuto ? format_of(path, content) : options.format;
    const bool is_ids = format == FileFormat::kTokens || format == FileFormat::kLlmc;
    require(!is_ids || options.tokenizer == "auto", path, ": tokenizer: ", options.tokenizer,
            ", expected auto: a vocabulary is for text, JSON Lines and CoNLL-U");
    switch (format) {
      case FileFormat::kConllu: {
        if (options.tokenizer != "auto") {
          check_utf8(content.view(), path);
          auto tokens = bpe_tokens(conllu_text(content.view(), path), options.val_fraction, choice, options.resource);
          return std::make_unique<BpeSource>(SourceIdentity{path, content.sha256}, std::move(tokens));
        }
        auto tokens =
            ConlluSource::read(content.view(), path, options.val_fraction, options.max_vocab, options.resource);
        return std::make_unique<ConlluSource>(SourceIdentity{path, content.sha256}, std::move(tokens));
      }
      case FileFormat::kTokens:
      case FileFormat::kLlmc: {
        const TokenLayout layout = format == FileFormat::kLlmc ? llmc_token_layout(content.view(), path)
                                                               : raw_token_layout(content.view(), path);
        return std::make_unique<TokenFileSource>(path, std::move(content), layout, options.val_fraction,
                                                 options.vocab_size);
      }
      default:
        if (format == FileFormat::kJsonl) keep_jsonl_texts(content, path);
        if (options.tokenizer != "auto") {
          check_utf8(content.view(), path);
          auto tokens = bpe_tokens(content.view(), options.val_fraction, choice, options.resource);
          return std::make_unique<BpeSource>(SourceIdentity{path, content.sha256}, std::move(tokens));
        }
        return std::make_unique<TextSource>(path, std::move(content), options.val_fraction);
    }
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kOutOfMemory, path + ": its tokens do not fit into memory");
  }
}

}  // namespace minimoe
