// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "minimoe/data/file_source.hpp"
#include "minimoe/data/grammar_corpus.hpp"
#include "minimoe/train/run_config.hpp"

namespace minimoe {

std::unique_ptr<TokenSource> open_token_source(const DataConfig& config, MemoryResource* resource) {
  if (const std::vector<std::string> problems = config.problems(); !problems.empty()) {
    std::string message;
    for (const std::string& problem : problems) message += (message.empty() ? "" : "; ") + problem;
    throw Error(ErrorCode::kInvalidArgument, message);
  }
  if (config.corpus == "grammar") {
    const auto speaks = [&](const char* language) {
      return std::find(config.languages.begin(), config.languages.end(), language) != config.languages.end();
    };
    GrammarCorpusOptions options;
    options.english = speaks("en");
    options.spanish = speaks("es");
    options.num_eval_sentences = config.num_eval_sentences;
    return make_grammar_corpus(options);
  }
  FileSourceOptions options;
  options.format = config.format == "text"     ? FileFormat::kText
                   : config.format == "conllu" ? FileFormat::kConllu
                   : config.format == "jsonl"  ? FileFormat::kJsonl
                   : config.format == "tokens" ? FileFormat::kTokens
                   : config.format == "llmc"   ? FileFormat::kLlmc
                                               : FileFormat::kAuto;
  options.val_fraction = config.val_fraction;
  options.max_vocab = config.max_vocab;
  options.tokenizer = config.tokenizer;
  options.resource = resource;
  return open_file_source(config.corpus, options);
}

}  // namespace minimoe
