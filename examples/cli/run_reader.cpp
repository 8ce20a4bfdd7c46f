// SPDX-License-Identifier: Apache-2.0
#include "run_reader.hpp"

#include <filesystem>

#include "exit_codes.hpp"
#include "run_directory.hpp"
#include "training_run.hpp"

namespace cli {

capi::Dataset open_data(const Json& config, bool is_of_the_run) {
  try {
    return capi::Dataset::open(json_text(config));
  } catch (const capi::Error& failure) {
    if (!is_of_the_run || failure.status() != MINIMOE_E_IO) throw;
    throw BadInput(std::string("the run's data: ") + failure.what() + "; --corpus FILE tells where it is");
  }
}

OpenedRun open_run(const std::string& run, const std::string& corpus, const capi::Options& options) {
  namespace fs = std::filesystem;
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
  Json config = Json::parse(capi::checkpoint_info(checkpoint)).at("config");
  if (!corpus.empty()) config["data"]["corpus"] = corpus;
  const capi::Dataset dataset = open_data(config, corpus.empty());
  config = Json::parse(dataset.fit_config(json_text(config)));
  require_memory(run_costs(config, options));
  capi::Model model(json_text(config), options);
  model.load_weights(checkpoint);
  return {checkpoint, config, dataset, model};
}

}  // namespace cli
