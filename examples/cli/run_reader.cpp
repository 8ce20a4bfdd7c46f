// SPDX-License-Identifier: Apache-2.0
#include "run_reader.hpp"

#include <filesystem>
#include <fstream>
#include <string_view>

#include "exit_codes.hpp"
#include "run_directory.hpp"
#include "training_run.hpp"

namespace cli {

namespace fs = std::filesystem;

capi::Dataset open_data(const Json& config, bool is_of_the_run) {
  try {
    return capi::Dataset::open(json_text(config));
  } catch (const capi::Error& failure) {
    if (!is_of_the_run || failure.status() != MINIMOE_E_IO) throw;
    throw BadInput(std::string("the run's data: ") + failure.what() + "; --corpus FILE tells where it is");
  }
}

void use_tokenizer_of_run(Json& config, const std::filesystem::path& directory) {
  std::error_code error;
  const fs::path file = RunDirectory(directory).tokenizer();
  if (config.at("data").value("tokenizer", "auto") != "auto" && fs::exists(file, error)) {
    config["data"]["tokenizer"] = file.string();
  }
}

std::string checkpoint_of(const std::string& run) {
  std::error_code error;
  if (!fs::exists(run, error)) throw BadInput(run + ": no such run directory or checkpoint file");
  std::string checkpoint = run;
  if (fs::is_directory(run, error)) {
    checkpoint = RunDirectory(run).checkpoint().string();
    if (!fs::exists(checkpoint, error)) {
      throw BadInput(
          run + ": has no checkpoint.safetensors" +
          (fs::is_directory(run + "/runs", error) ? "; the runs of a comparison are in " + run + "/runs" : ""));
    }
  }
  return checkpoint;
}

bool is_token_file(const std::string& corpus) { return corpus.ends_with(".bin") || corpus.ends_with(".bin.gz"); }

bool is_imported(const Json& config) { return config.at("data").value("corpus", "") == "imported"; }

Json config_of_run(const std::string& run, const std::string& corpus) {
  const std::string checkpoint = checkpoint_of(run);
  const fs::path directory = fs::path(checkpoint).parent_path();
  Json config = Json::parse(capi::checkpoint_info(checkpoint)).at("config");
  const RunDirectory files(directory);
  if (is_imported(config)) {
    const bool is_ids = is_token_file(corpus);
    std::error_code error;
    if (!is_ids && !fs::exists(files.tokenizer(), error)) {
      throw BadInput(run + ": was imported without a tokenizer.json, so there is no way from a text to its token ids");
    }
    if (corpus.empty()) {
      throw BadInput(run + ": was imported, so it has no data of its own; --corpus FILE names a text for it");
    }
    if (!is_ids) config["data"]["tokenizer"] = files.tokenizer().string();
  } else {
    use_tokenizer_of_run(config, directory);
  }
  if (corpus.empty()) return config;
  config["data"]["corpus"] = corpus;
  if (config.at("data").value("tokenizer", "").starts_with("bpe:")) {
    throw BadInput(run + ": has no tokenizer.json beside its checkpoint, so --corpus " + corpus +
                   " cannot be read with the vocabulary of the run");
  }
  return config;
}

bool is_hugging_face_directory(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error) && !fs::exists(RunDirectory(path).checkpoint(), error) &&
         fs::exists(RunDirectory(path).config(), error);
}

bool is_gguf_file(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return fs::path(path).extension() == ".gguf";
  char magic[4] = {};
  return fs::is_regular_file(path, error) && std::ifstream(path, std::ios::binary).read(magic, sizeof magic) &&
         std::string_view(magic, sizeof magic) == "GGUF";
}

fs::path directory_of_model(const std::string& path) {
  return is_hugging_face_directory(path) ? fs::absolute(path) : fs::absolute(checkpoint_of(path)).parent_path();
}

capi::Model open_any_model(const std::string& path, const capi::Options& options) {
  const bool foreign = is_hugging_face_directory(path) || is_gguf_file(path);
  return foreign ? capi::Model::import_from(path, options) : capi::Model::load(checkpoint_of(path), options);
}

OpenedRun open_run(const std::string& run, const std::string& corpus, const capi::Options& options) {
  const std::string checkpoint = checkpoint_of(run);
  Json config = config_of_run(run, corpus);
  const capi::Dataset dataset = open_data(config, corpus.empty());
  config = Json::parse(dataset.fit_config(json_text(config)));
  require_memory(run_costs(config, options));
  capi::Model model(json_text(config), options);
  model.load_weights(checkpoint);
  return {checkpoint, config, dataset, model};
}

}  // namespace cli
