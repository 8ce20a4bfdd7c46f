// SPDX-License-Identifier: Apache-2.0
// Models in and out of other programs' formats.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <limits>

#include "atomic_file.hpp"
#include "command.hpp"
#include "command_tree.hpp"
#include "config_options.hpp"
#include "exit_codes.hpp"
#include "run_directory.hpp"
#include "run_reader.hpp"

namespace cli {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTokenizerBytes = std::size_t{1} << 28;
constexpr const char* kTokenizerFiles[] = {"tokenizer.json", "tokenizer_config.json"};

struct ExchangeFlags {
  std::string from, to, format = "hf", corpus;
  ExecFlags exec;
  bool force = false, no_tokenizer = false;
};

/// Texts of the tokenizer's files, in the order of their names; empty: none.
struct Tokenizer {
  std::string texts[std::size(kTokenizerFiles)];

  void write(const fs::path& directory) const {
    for (std::size_t i = 0; i < std::size(kTokenizerFiles); ++i) {
      if (!texts[i].empty()) write_file_atomically(directory / kTokenizerFiles[i], texts[i]);
    }
  }
};

/// That which lies beside a model.
Tokenizer tokenizer_in(const fs::path& directory) {
  Tokenizer tokenizer;
  for (std::size_t i = 0; i < std::size(kTokenizerFiles); ++i) {
    std::error_code error;
    const fs::path file = directory / kTokenizerFiles[i];
    if (fs::exists(file, error)) tokenizer.texts[i] = read_whole_file(file, kMaxTokenizerBytes);
  }
  return tokenizer;
}

int import_model(const ExchangeFlags& o) {
  refuse_existing_outputs(o.to, o.force, "use --force to replace it, or another --out");
  std::error_code error;
  if (fs::equivalent(o.from, o.to, error)) throw BadInput(o.to + " is the model to import; use another --out");
  const capi::Model model = capi::Model::import_from(o.from, o.exec.options());
  const Tokenizer tokenizer = fs::is_directory(o.from, error) ? tokenizer_in(o.from) : Tokenizer{};
  RunDirectory run(o.to);
  run.remove();
  make_directories(o.to);
  model.save(run.checkpoint().string());
  tokenizer.write(o.to);
  write_file_atomically(run.config(), json_text(Json::parse(model.config()), 2) + "\n");
  const Json info = Json::parse(model.info());
  std::printf("%s: %s parameters, MoE blocks %s\n", o.to.c_str(), info.at("total_parameters").dump().c_str(),
              info.at("moe_blocks").dump().c_str());
  return kOk;
}

/// The vocabulary that the run has beside its weights, else that of its data. An imported run hands on what it has.
Tokenizer tokenizer_of(const ExchangeFlags& o) {
  const std::string checkpoint = checkpoint_of(o.from);
  Tokenizer tokenizer;
  if (o.corpus.empty()) {
    tokenizer = tokenizer_in(fs::path(checkpoint).parent_path());
    if (is_imported(Json::parse(capi::checkpoint_info(checkpoint)).at("config"))) return tokenizer;
  }
  const Json config = config_of_run(o.from, o.corpus);
  if (tokenizer.texts[0].empty() || config.at("data").value("tokenizer", "auto") == "auto") {
    const capi::Dataset dataset = open_data(config, o.corpus.empty());
    dataset.fit_config(json_text(config));
    try {
      tokenizer.texts[0] = dataset.tokenizer();
    } catch (const capi::Error& failure) {
      if (failure.status() != MINIMOE_E_UNSUPPORTED) throw;
      return {};  // bare numbers
    }
  }
  const Json how = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                    {"model_max_length", config.at("model").at("max_seq_len")},
                    {"clean_up_tokenization_spaces", false}};
  tokenizer.texts[1] = json_text(how, 2) + "\n";
  return tokenizer;
}

/// A vocabulary for the library to read, beside the model under a name that was free, gone when it has been read.
class TokenizerFile {
 public:
  TokenizerFile() = default;
  ~TokenizerFile() {
    if (!path_.empty()) unlink(path_.c_str());
  }
  TokenizerFile(const TokenizerFile&) = delete;
  TokenizerFile& operator=(const TokenizerFile&) = delete;
  const std::string& write(const fs::path& model, const std::string& text) {
    std::string name = (model.parent_path() / ".minimoe-tokenizer-XXXXXX").string();
    const int file = mkstemp(name.data());
    if (file < 0) throw BadInput("cannot write beside " + model.string() + ": " + std::strerror(errno));
    close(file);
    path_ = name;
    write_file_atomically(path_, text);
    return path_;
  }

 private:
  std::string path_;  // empty: nothing was written
};

int export_gguf(const ExchangeFlags& o, const capi::Model& model, const Tokenizer& tokenizer) {
  Json options = {{"format", "gguf"}};
  const Json vocabulary = Json::parse(tokenizer.texts[0], nullptr, false);
  const Json kind = vocabulary.is_object() ? vocabulary.value("/model/type"_json_pointer, Json()) : Json();
  const bool words = kind == "WordLevel";  // which no kind of vocabulary of llama.cpp's splits as it should
  TokenizerFile file;
  if (!tokenizer.texts[0].empty() && !words) options["tokenizer"] = file.write(o.to, tokenizer.texts[0]);
  try {
    model.export_to(o.to, json_text(options));
  } catch (const capi::Error& failure) {
    if (failure.status() != MINIMOE_E_CORRUPT_FILE) throw;
    throw BadInput(std::string(failure.what()) + "; --no-tokenizer writes the model alone");
  }
  std::printf("%s: %s\n", o.to.c_str(),
              options.contains("tokenizer") ? "with its vocabulary" : "without a vocabulary (token ids only)");
  return kOk;
}

int export_directory(const ExchangeFlags& o, const capi::Model& model, const Tokenizer& tokenizer) {
  model.export_to(o.to, json_text({{"format", o.format}}));
  // What is not written anew would be another model's.
  for (const char* name : kTokenizerFiles) remove_files({fs::path(o.to) / name});
  tokenizer.write(o.to);
  const Json config = Json::parse(read_whole_file(fs::path(o.to) / "config.json", kMaxTokenizerBytes));
  std::printf("%s: %s\n", o.to.c_str(), config.at("model_type").get<std::string>().c_str());
  return kOk;
}

int export_model(const ExchangeFlags& o) {
  const bool gguf = o.format == "gguf";
  const std::string checkpoint = checkpoint_of(o.from);
  std::vector<fs::path> files = {o.to};
  if (!gguf) {
    files = {fs::path(o.to) / "config.json", fs::path(o.to) / "model.safetensors"};
    for (const char* name : kTokenizerFiles) files.push_back(fs::path(o.to) / name);
  }
  for (const fs::path& file : files) {
    std::error_code error;
    if (fs::equivalent(file, checkpoint, error) || fs::equivalent(o.to, o.from, error)) {
      throw BadInput(o.to + " is the run to export; use another " + (gguf ? "file" : "directory"));
    }
    if (o.force || !fs::exists(file, error)) continue;
    if (gguf) throw BadInput(o.to + " exists; use --force to replace it, or another file");
    throw BadInput(o.to + " already holds a model (" + file.filename().string() +
                   "); use --force to replace it, or another directory");
  }
  const capi::Model model = capi::Model::load(checkpoint, o.exec.options());
  const Tokenizer tokenizer = o.no_tokenizer ? Tokenizer{} : tokenizer_of(o);
  return gguf ? export_gguf(o, model, tokenizer) : export_directory(o, model, tokenizer);
}

struct LogitsFlags {
  std::string model, tokens, out;
  ExecFlags exec;
  bool router = false, gradients = false;
};

/// Rows of equal length, or one row.
Json token_rows(const std::string& path) {
  Json rows = Json::parse(read_whole_file(path, kMaxTokenizerBytes), nullptr, false);
  if (rows.is_array() && !rows.empty() && !rows[0].is_array()) rows = Json::array({rows});
  bool good = rows.is_array() && !rows.empty();
  for (std::size_t r = 0; good && r < rows.size(); ++r) {
    good = rows[r].is_array() && !rows[r].empty() && rows[r].size() == rows[0].size();
    for (std::size_t i = 0; good && i < rows[r].size(); ++i) {
      good =
          rows[r][i].is_number_integer() && rows[r][i] >= 0 && rows[r][i] <= std::numeric_limits<std::int32_t>::max();
    }
  }
  if (!good) throw BadInput(path + ": expected a JSON list of token ids, or of such lists of equal length");
  return rows;
}

int write_logits(const LogitsFlags& o) {
  const Json rows = token_rows(o.tokens);
  std::vector<std::int32_t> tokens;
  for (const Json& row : rows) {
    for (const Json& token : row) tokens.push_back(token.get<std::int32_t>());
  }
  const capi::Model model = open_any_model(o.model, o.exec.options());
  model.write_logits(tokens, rows[0].size(), o.out, json_text({{"router", o.router}, {"gradients", o.gradients}}));
  return kOk;
}

}  // namespace

void add_import_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<ExchangeFlags>();
  CLI::App* command =
      program.add_subcommand("import", "Make a run of a model of Hugging Face's transformers or a GGUF file");
  command->add_option("model", o->from, "directory with config.json and model.safetensors, or a GGUF file")->required();
  command->add_option("--out", o->to, "run directory to make")->required();
  command->add_flag("--force", o->force, "replace an existing run");
  o->exec.add_to(*command);
  command->callback([o, &action] { action = [o] { return import_model(*o); }; });
}

void add_export_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<ExchangeFlags>();
  CLI::App* command =
      program.add_subcommand("export", "Write a run's model for Hugging Face's transformers or llama.cpp");
  command->add_option("run", o->from, "run directory or checkpoint file")->required();
  command->add_option("out", o->to, "directory to write; for gguf a file")->required();
  command->add_option("--to", o->format, "format (default hf)")->type_name(choice_type("FORMAT", {"hf", "gguf"}));
  command->add_option("--corpus", o->corpus, "take the tokenizer from this instead of the run's data");
  command->add_flag("--no-tokenizer", o->no_tokenizer, "the model alone, without its vocabulary");
  command->add_flag("--force", o->force, "replace what is there");
  o->exec.add_to(*command);
  command->callback([o, &action] { action = [o] { return export_model(*o); }; });
}

void add_logits_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<LogitsFlags>();
  CLI::App* command = program.add_subcommand("logits", "Logits and loss of given tokens, as a safetensors file");
  command->add_option("model", o->model, "run directory, checkpoint file, directory of Hugging Face's, or GGUF file")
      ->required();
  command->add_option("--tokens", o->tokens, "JSON file: a list of token ids, or of such lists of equal length")
      ->required();
  command->add_option("--out", o->out, "file to write")->required();
  command->add_flag("--router", o->router, "also router logits, chosen experts and their weights");
  command->add_flag("--grads", o->gradients, "also the gradients of the loss, by names on disk");
  o->exec.add_to(*command);
  command->callback([o, &action] { action = [o] { return write_logits(*o); }; });
}

}  // namespace cli
