// SPDX-License-Identifier: Apache-2.0
// What this build and this machine are, how fast they multiply matrices, and whether a configuration fits.
#include <algorithm>
#include <cstdio>

#include "command.hpp"
#include "config_options.hpp"
#include "exit_codes.hpp"
#include "library.hpp"
#include "machine.hpp"
#include "training_run.hpp"

namespace cli {

namespace {

constexpr std::size_t kTokens = 512, kDModel = 512, kDExpert = 2048;
constexpr double kFlops = 4.0 * kTokens * kDModel * kDExpert;  // two products, a multiplication and an addition each
constexpr int kMinRuns = 5;
constexpr double kMinSeconds = 0.5;

struct DoctorFlags {
  ConfigOptions config;
  ExecFlags exec;
  bool json = false;
};

// An MoE layer with one expert, which every token goes to, is two large products and little else.
Json matrix_product_speed(const capi::Options& options) {
  const Json model = {{"d_model", kDModel},
                      {"ffn", "gelu"},
                      {"moe",
                       {{"num_experts", 1},
                        {"top_k", 1},
                        {"d_expert", kDExpert},
                        {"gate_order", "softmax_topk"},
                        {"aux_loss_coef", 0}}}};
  const capi::MoELayer layer(json_text({{"model", model}}), options);
  std::vector<float> x(kTokens * kDModel), y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 3;
  layer.infer_into(y, x);  // starts the threads
  double best = 0;
  int runs = 0;
  for (const double begun = wall_seconds(); runs < kMinRuns || wall_seconds() - begun < kMinSeconds; ++runs) {
    const double run_begun = wall_seconds();
    layer.infer_into(y, x);
    const double seconds = wall_seconds() - run_begun;
    best = runs == 0 ? seconds : std::min(best, seconds);
  }
  return {{"gflop_per_s", kFlops / best * 1e-9},
          {"measured", "forward of one expert's FFN, its activation and routing included; best run"},
          {"num_tokens", kTokens},
          {"d_model", kDModel},
          {"d_expert", kDExpert},
          {"flop_per_run", kFlops},
          {"seconds", best},
          {"runs", runs}};
}

// Of a model so small that nobody waits for it.
Json computing(const capi::Options& options) {
  const Json model = {{"vocab_size", 2}, {"d_model", 8}, {"num_heads", 1}, {"num_layers", 1}, {"max_seq_len", 64}};
  const Json info = Json::parse(capi::Model(json_text({{"model", model}}), options).info());
  return {{"num_threads", info.at("num_threads")},
          {"instruction_set", info.at("instruction_set")},
          {"matmul_backend", info.at("matmul_backend")}};
}

std::string words(const Json& list) {
  std::string text;
  for (const Json& word : list) text += (text.empty() ? "" : " ") + word.get<std::string>();
  return text;
}

void print_report(const Json& report, const std::string& summary) {
  const Json& library = report.at("library");
  const Json& exec = report.at("exec");
  const Json& product = report.at("matrix_product");
  const auto text = [](const Json& of, const char* key) { return of.at(key).get<std::string>(); };
  std::printf("library: minimoe %s, %s, %s, matrix products: %s\n", text(library, "version").c_str(),
              text(library, "compiler").c_str(), text(library, "build_type").c_str(),
              words(library.at("matmul_backends")).c_str());
  std::printf("cpu: %s, %s cores, %s\n", text(library, "cpu").c_str(), library.at("num_cores").dump().c_str(),
              words(library.at("instruction_sets")).c_str());
  std::printf("computing: %s threads, %s, %s\n", exec.at("num_threads").dump().c_str(),
              text(exec, "instruction_set").c_str(), text(exec, "matmul_backend").c_str());
  std::printf("speed: %.1f GFLOP/s in an expert's FFN (%zu tokens, %zu to %zu and back; best of %d runs)\n",
              product.at("gflop_per_s").get<double>(), kTokens, kDModel, kDExpert, product.at("runs").get<int>());
  std::printf("\n%s", summary.c_str());
  for (const auto& [part, bytes] : report.at("memory_bytes").items()) {
    std::printf("  %s: %s\n", part.c_str(), bytes_text(bytes.get<double>()).c_str());
  }
  std::printf("physical memory: %s, which is %s\n",
              bytes_text(report.at("physical_memory_bytes").get<double>()).c_str(),
              report.at("fits").get<bool>() ? "enough" : "NOT enough for this configuration");
}

int doctor(const DoctorFlags& o) {
  const capi::Options options = o.exec.options();
  Json config = o.config.resolve();
  const capi::Dataset dataset = capi::Dataset::open(json_text(config));
  config = Json::parse(dataset.fit_config(json_text(config)));
  Json report = {{"library", Json::parse(capi::build_info())},
                 {"exec", computing(options)},
                 {"matrix_product", matrix_product_speed(options)}};
  report.update(run_costs(config, options));
  report["physical_memory_bytes"] = physical_memory_bytes();
  report["fits"] = report.at("memory_bytes").at("total").get<double>() <= static_cast<double>(physical_memory_bytes());
  if (o.json) {
    std::printf("%s\n", json_text(report).c_str());
  } else {
    print_report(report, run_summary(config, dataset, options, Json::object()));
  }
  return kOk;
}

}  // namespace

void add_doctor_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<DoctorFlags>();
  CLI::App* command =
      program.add_subcommand("doctor", "Tell what this build and machine can do, and whether a configuration fits");
  o->config.add_to(*command, ConfigScope::kAll);
  o->exec.add_to(*command);
  command->add_flag("--json", o->json, "print one JSON document");
  command->callback([o, &action] { action = [o] { return doctor(*o); }; });
}

}  // namespace cli
