// SPDX-License-Identifier: Apache-2.0
// Times training steps of exactly the models that the PyTorch peer of bench/ builds.
#include <algorithm>
#include <cstdio>
#include <random>

#include "command.hpp"
#include "config_options.hpp"
#include "exit_codes.hpp"
#include "library.hpp"
#include "machine.hpp"
#include "training_run.hpp"

namespace cli {

namespace {

constexpr std::uint64_t kBatches = 8;
constexpr double kAuxWeight = 0.01;  // the peer adds 0.01 times the SUM over layers, we scale the mean

struct BenchFlags {
  std::string size = "lab";
  bool moe = false, dense = false, json = false;
  ExecFlags exec;
  std::int64_t steps = 30, warmup = 3;
};

Json bench_config(const BenchFlags& o) {
  const bool lab = o.size == "lab";
  const std::size_t num_layers = lab ? 2 : 4;
  Json moe_layers = Json::array();
  if (o.moe && lab) moe_layers = {1};
  if (o.moe && !lab) moe_layers = {0, 1, 2, 3};
  const std::size_t seq_len = lab ? 64 : 256;
  const Json model = {
      {"preset", "gpt2"},
      {"vocab_size", lab ? 256 : 8192},
      {"max_seq_len", seq_len},
      {"num_layers", num_layers},
      {"d_model", lab ? 64 : 512},
      {"num_heads", lab ? 4 : 8},
      {"d_ff", lab ? 256 : 2048},
      {"tied_embeddings", false},
      {"moe",
       {{"layers", moe_layers},
        {"num_experts", lab ? 4 : 8},
        {"top_k", 2},
        {"d_expert", lab ? 256 : 1024},
        {"aux_loss_coef", kAuxWeight * static_cast<double>(std::max<std::size_t>(1, moe_layers.size()))}}}};
  const Json train = {{"steps", o.warmup + o.steps},
                      {"batch_size", lab ? 16 : 8},
                      {"seq_len", seq_len},
                      {"learning_rate", 1e-4},
                      {"schedule", "constant"},
                      {"warmup_steps", 0},
                      {"min_learning_rate", 1e-4},
                      {"weight_decay", 0.01},
                      {"beta1", 0.9},
                      {"beta2", 0.999},
                      {"clip_norm", 0.0},
                      {"seed", 0}};
  return Json::parse(capi::config_resolve(json_text({{"model", model}, {"train", train}})));
}

// Drawn once, so that a benchmark times no drawing. The generator's numbers are those of the C++ standard.
capi::Dataset random_tokens(std::int32_t vocab_size, std::size_t count) {
  std::mt19937_64 random;
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t& token : tokens)
    token = static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(vocab_size));
  capi::Dataset dataset =
      capi::Dataset::create(json_text({{"vocab_size", vocab_size}, {"val_fraction", 0}, {"name", "random"}}));
  dataset.append(tokens);
  return dataset;
}

Json min_and_median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  const double median = values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {{"min", values.front()}, {"median", median}};
}

int bench(const BenchFlags& o) {
  if (o.moe && o.dense) throw BadInput("--moe and --dense exclude each other");
  Json config = bench_config(o);
  const std::size_t batch_size = config.at("train").at("batch_size"), seq_len = config.at("train").at("seq_len");
  const capi::Dataset dataset =
      random_tokens(config.at("model").at("vocab_size"), kBatches * batch_size * (seq_len + 1));
  config = Json::parse(dataset.fit_config(json_text(config)));
  const capi::Options options = o.exec.options();
  const Json costs = run_costs(config, options);
  require_memory(costs);
  const double rss_before = static_cast<double>(peak_rss_bytes());
  const capi::Model model(json_text(config), options);
  capi::Trainer trainer(model, dataset, json_text(config));
  std::vector<double> wall, cpu;
  double loss = 0;
  for (std::int64_t i = 0; i < o.warmup + o.steps; ++i) {
    const double w = wall_seconds(), c = cpu_seconds();
    loss = trainer.steps(1).throw_if_failed().metrics.front().loss;
    if (i < o.warmup) continue;
    wall.push_back((wall_seconds() - w) * 1e3);
    cpu.push_back((cpu_seconds() - c) * 1e3);
  }
  const Json exec = exec_info(model);
  const Json ms = min_and_median(wall);
  const double tokens = static_cast<double>(batch_size * seq_len);
  const Json document = {{"ms_per_step", ms},
                         {"cpu_ms_per_step", min_and_median(cpu)},
                         {"tokens_per_s", tokens / ms.at("min").get<double>() * 1e3},
                         {"peak_rss_mb", static_cast<double>(peak_rss_bytes()) / (1 << 20)},
                         {"rss_before_model_mb", rss_before / (1 << 20)},
                         {"memory_estimate_mb", costs.at("memory_bytes").at("total").get<double>() / (1 << 20)},
                         {"params", costs.at("parameters").at("total")},
                         {"active_params", costs.at("parameters").at("active")},
                         {"train_flops_per_token", costs.at("train_flops_per_token")},
                         {"loss", loss},
                         {"size", o.size},
                         {"model", o.moe ? "moe" : "dense"},
                         {"threads", exec.at("num_threads")},
                         {"isa", exec.at("instruction_set")},
                         {"steps", o.steps},
                         {"warmup", o.warmup},
                         {"version", capi::version_string()}};
  if (o.json) {
    std::printf("%s\n", json_text(document).c_str());
    return kOk;
  }
  std::printf("%s %s, %s thread%s, %s: %.2f ms a step (median %.2f), %s tokens/s, %.0f MB peak, loss %.4f\n",
              o.size.c_str(), o.moe ? "MoE" : "dense", exec.at("num_threads").dump().c_str(),
              exec.at("num_threads") == 1 ? "" : "s", exec.at("instruction_set").get<std::string>().c_str(),
              ms.at("min").get<double>(), ms.at("median").get<double>(),
              count_text(static_cast<std::uint64_t>(document.at("tokens_per_s").get<double>())).c_str(),
              document.at("peak_rss_mb").get<double>(), loss);
  return kOk;
}

}  // namespace

void add_bench_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<BenchFlags>();
  CLI::App* command = program.add_subcommand("bench", "Time training steps of the benchmark models on random tokens");
  command->add_option("--size", o->size, "lab: 2 blocks of 64; mid: 4 blocks of 512")
      ->check(CLI::IsMember({"lab", "mid"}));
  command->add_flag("--moe", o->moe, "the Mixture-of-Experts model");
  command->add_flag("--dense", o->dense, "the dense model (default)");
  command->add_option("--steps", o->steps, "timed steps (default 30)")->check(sane_range(1, 1 << 24));
  command->add_option("--warmup", o->warmup, "steps before them (default 3)")->check(sane_range(0, 1 << 24));
  command->add_flag("--json", o->json, "print one JSON document");
  o->exec.add_to(*command);
  command->callback([o, &action] { action = [o] { return bench(*o); }; });
}

}  // namespace cli
