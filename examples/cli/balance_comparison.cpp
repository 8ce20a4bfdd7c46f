// SPDX-License-Identifier: Apache-2.0
#include "balance_comparison.hpp"

#include <cstdio>

#include "atomic_file.hpp"
#include "balance_report.hpp"
#include "exit_codes.hpp"
#include "interrupt.hpp"
#include "lab_run.hpp"
#include "run_directory.hpp"

namespace cli {

namespace {

namespace fs = std::filesystem;

fs::path run_directory(const BalanceRequest& request, const Balancer& balancer, std::uint64_t seed) {
  return fs::path(request.out) / "runs" / (balancer.title + "-seed" + std::to_string(seed));
}

std::vector<Balancer> balancers(const Json& config, const std::string& kinds) {
  if (config.at("model").at("moe").at("layers").empty()) {
    throw BadInput("--balance: model.moe.layers is empty, so there is no router to balance; give --moe-layer");
  }
  std::vector<Balancer> chosen;
  try {
    for (const Json& b : Json::parse(capi::config_balancers(json_text(config), kinds))) {
      chosen.push_back({b.at("name"), b.at("title"), b.at("config")});
    }
  } catch (const capi::Error& failure) {
    const std::string said = failure.what(), of_the_library = "minimoe_config_balancers: kinds: ";
    if (said.rfind(of_the_library, 0) != 0) throw;
    throw BadInput("--balance: " + said.substr(of_the_library.size()));
  }
  return chosen;
}

// Everything that can be refused is, before the first file is touched.
BalanceResult prepare(const BalanceRequest& r, capi::Dataset& dataset) {
  BalanceResult result;
  result.seeds = r.seeds;
  result.interference_interval = r.interference_interval;
  result.balancers = balancers(Json::parse(dataset.fit_config(json_text(r.config))), r.kinds);
  require_validation_window(dataset, result.balancers.front().config);
  const char* remedy = "use --force to replace it, or another --out";
  refuse_existing_outputs(r.out, r.force, remedy);
  if (!r.force && fs::exists(fs::path(r.out) / "balance.json")) {
    throw BadInput(r.out + " already holds balance.json; " + remedy);
  }
  for (const Balancer& balancer : result.balancers) {
    require_memory(run_costs(balancer.config, r.options));
    for (const std::uint64_t seed : r.seeds) {
      refuse_existing_outputs(run_directory(r, balancer, seed), r.force, remedy);
    }
  }
  result.corpus = corpus_identity(dataset);
  result.evaluation = evaluation_json(r.evaluation);
  result.floors = entropy_floors(dataset, r.config.at("train").at("seq_len"), r.evaluation.max_windows);
  result.runs.resize(result.balancers.size());
  return result;
}

RunRequest request_of(const BalanceRequest& r, const BalanceResult& result, const capi::Dataset& dataset,
                      const Balancer& balancer, std::uint64_t seed) {
  Json config = balancer.config;
  config["train"]["seed"] = seed;
  RunRequest request{dataset, config, r.options};
  request.directory = run_directory(r, balancer, seed);
  request.label = request.directory.filename().string();
  request.floors = result.floors;
  request.evaluation = r.evaluation;
  request.quiet = r.quiet;
  request.log = r.json ? nullptr : stdout;
  request.log_interval = r.log_interval;
  request.metrics = r.metrics;
  request.interference_interval = r.interference_interval;
  return request;
}

}  // namespace

int compare_balancers(const BalanceRequest& r) {
  capi::Dataset dataset = capi::Dataset::open(json_text(r.config));
  BalanceResult result = prepare(r, dataset);
  catch_interrupts();
  make_directories(r.out);
  remove_files({fs::path(r.out) / "balance.json"});  // tells of runs that are replaced from here on
  if (!r.json) std::printf("%s", log_header(result.balancers.front().config).c_str());
  for (const std::uint64_t seed : r.seeds) {
    for (std::size_t b = 0; b < result.balancers.size(); ++b) {
      RunRequest request = request_of(r, result, dataset, result.balancers[b], seed);
      if (request.log) std::printf("# %s\n", request.label.c_str());
      std::fflush(stdout);
      bool interrupted = false;
      const LabRun run = lab_run(std::move(request), interrupted);
      if (interrupted) {
        std::fprintf(stderr, "minimoe: interrupted; run it again with --force\n");
        return kInterrupted;
      }
      result.runs[b].push_back({run.directory, run.result, findings_of(run, r.window)});
    }
  }
  const Json json = balance_json(result);
  try {
    write_file_atomically(fs::path(r.out) / "balance.json", json_text(json, 2) + "\n");
  } catch (const BadInput& error) {
    throw RunFailed(error.what());
  }
  if (r.json) {
    std::printf("%s\n", json_text(json).c_str());
  } else {
    std::printf("\n%s\nwritten to %s/balance.json\n", balance_text(result).c_str(), r.out.c_str());
  }
  return kOk;
}

}  // namespace cli
