// SPDX-License-Identifier: Apache-2.0
#include "minimoe/data/file_source.hpp"

#include <utility>

#include "data/file/conllu_source.hpp"
#include "data/file/read_file.hpp"
#include "data/file/text_source.hpp"
#include "data/file/token_file_source.hpp"

namespace minimoe {
namespace {

void validate(const FileSourceOptions& options) {
  std::string bad;
  const auto allow = [&](bool good, const auto&... what) {
    if (!good) bad += concat(bad.empty() ? "" : "; ", what...);
  };
  allow(options.val_fraction > 0 && options.val_fraction <= 0.5, "val_fraction is ", options.val_fraction,
        ", allowed above 0 up to 0.5");
  allow(options.max_vocab >= 3 && options.max_vocab <= 65536, "max_vocab is ", options.max_vocab,
        ", allowed 3 to 65536");
  allow(options.vocab_size <= 65536, "vocab_size is ", options.vocab_size, ", allowed 0 (largest id + 1) to 65536");
  require(bad.empty(), "file_source: ", bad);
}

FileFormat format_by_name(std::string_view path) {
  if (is_gzip_name(path)) path.remove_suffix(3);
  if (path.ends_with(".conllu")) return FileFormat::kConllu;
  if (path.ends_with(".bin")) return FileFormat::kTokens;
  return FileFormat::kText;
}

}  // namespace

std::unique_ptr<TokenSource> open_file_source(const std::string& path, const FileSourceOptions& options) {
  validate(options);
  FileContent content = read_file(path, options.resource);
  try {
    switch (options.format == FileFormat::kAuto ? format_by_name(path) : options.format) {
      case FileFormat::kConllu: {
        auto tokens =
            ConlluSource::read(content.view(), path, options.val_fraction, options.max_vocab, options.resource);
        return std::make_unique<ConlluSource>(SourceIdentity{path, content.sha256}, std::move(tokens));
      }
      case FileFormat::kTokens:
        return std::make_unique<TokenFileSource>(path, std::move(content), options.val_fraction, options.vocab_size);
      default:
        return std::make_unique<TextSource>(path, std::move(content), options.val_fraction);
    }
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kOutOfMemory, path + ": its tokens do not fit into memory");
  }
}

}  // namespace minimoe
