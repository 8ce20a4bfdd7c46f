// SPDX-License-Identifier: Apache-2.0
// Times training steps: of the benchmark models, or of a configuration as `train` takes it.
#include <algorithm>
#include <cstdio>

#include "bench_models.hpp"
#include "command.hpp"
#include "config_options.hpp"
#include "exit_codes.hpp"
#include "fma_peak.hpp"
#include "library.hpp"
#include "machine.hpp"
#include "run_reader.hpp"
#include "text_table.hpp"
#include "training_run.hpp"

namespace cli {

namespace {

struct BenchFlags {
  std::string size;
  bool moe = false, dense = false, json = false, profile = false;
  ConfigOptions config;
  ExecFlags exec;
  std::int64_t steps = 30, warmup = 3;

  /// A benchmark model; else a configuration of the user's own, on its own data.
  bool is_model() const { return !size.empty() || moe || dense || !config.given(); }
};

struct Subject {
  std::string size;  ///< "own" when it is no benchmark model
  Json config;
  capi::Dataset dataset;
};

Subject subject_of(const BenchFlags& o) {
  const std::string size = o.size.empty() ? "lab" : o.size;
  Json config = o.is_model() ? o.config.resolve_over(bench_config(size, o.moe)) : o.config.resolve();
  const capi::Dataset dataset = o.is_model() ? random_tokens(config) : open_data(config, false);
  config = Json::parse(dataset.fit_config(json_text(config)));
  // A schedule that ends would end the measuring.
  config["train"]["steps"] = std::max(config.at("train").at("steps").get<std::int64_t>(), o.warmup + o.steps);
  return {o.is_model() ? size : "own", config, dataset};
}

Json min_and_median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  const double median = values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {{"min", values.front()}, {"median", median}};
}

struct Times {
  std::vector<double> wall, cpu;  ///< ms, of each step
  double loss = 0;                ///< of the last
  Json profile;                   ///< of the fastest
};

Times time_steps(capi::Trainer& trainer, const BenchFlags& o) {
  Times times;
  double fastest = 0;
  for (std::int64_t i = 0; i < o.warmup + o.steps; ++i) {
    if (o.profile) trainer.set_profile(true);
    const double wall = wall_seconds(), cpu = cpu_seconds();
    times.loss = trainer.steps(1).throw_if_failed().metrics.front().loss;
    const double ms = (wall_seconds() - wall) * 1e3;
    if (i < o.warmup) continue;
    times.wall.push_back(ms);
    times.cpu.push_back((cpu_seconds() - cpu) * 1e3);
    if (!o.profile || (times.wall.size() > 1 && ms >= fastest)) continue;
    fastest = ms;
    times.profile = Json::parse(trainer.profile());
  }
  return times;
}

// The operations by falling time, both passes in a row; products against the peak.
std::string profile_table(const Json& profile, double peak_gflops) {
  struct Row {
    std::string operation;
    double ms[3] = {}, flops = 0, calls = 0;  // step, forward, backward
    double total() const { return ms[0] + ms[1] + ms[2]; }
  };
  std::vector<Row> rows;
  for (const Json& entry : profile.at("operations")) {
    const std::string operation = entry.at("operation"), pass = entry.at("pass");
    if (rows.empty() || rows.back().operation != operation) rows.push_back({operation});
    rows.back().ms[pass == "forward" ? 1 : pass == "backward" ? 2 : 0] = entry.at("ms");
    rows.back().flops += entry.at("flops").get<double>();
    rows.back().calls += entry.at("calls").get<double>();
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.total() > b.total(); });
  const double total = profile.at("ms");
  const auto time = [](double ms) { return ms > 0 ? fixed(ms, 3) : std::string(); };
  std::vector<TextRow> cells = {{"operation", "ms", "share", "forward", "backward", "calls", "GFLOP", "of peak"}};
  for (const Row& row : rows) {
    const bool has_products = row.flops > 0 && row.total() > 0;
    cells.push_back({row.operation, fixed(row.total(), 3), fixed(100 * row.total() / total, 1) + "%", time(row.ms[1]),
                     time(row.ms[2]), fixed(row.calls, 0), has_products ? fixed(row.flops * 1e-9, 3) : "",
                     has_products ? fixed(row.flops * 1e-6 / row.total() / peak_gflops, 2) : ""});
  }
  cells.push_back({"step", fixed(total, 3), "100.0%", "", "", "", fixed(profile.at("flops").get<double>() * 1e-9, 3),
                   fixed(profile.at("flops").get<double>() * 1e-6 / total / peak_gflops, 2)});
  return text_table(cells);
}

void print(const Json& d) {
  const auto number = [&d](const char* key) { return d.at(key).get<double>(); };
  const Json &ms = d.at("ms_per_step"), &threads = d.at("threads");
  std::printf("%s %s, %s thread%s, %s: %.2f ms a step (median %.2f of %s), %s tokens/s, loss %.4f\n",
              d.at("size").get<std::string>().c_str(), d.at("model") == "moe" ? "MoE" : "dense", threads.dump().c_str(),
              threads == 1 ? "" : "s", d.at("isa").get<std::string>().c_str(), ms.at("min").get<double>(),
              ms.at("median").get<double>(), d.at("steps").dump().c_str(),
              count_text(static_cast<std::uint64_t>(number("tokens_per_s"))).c_str(), number("loss"));
  std::printf("%.1f GFLOP/s, %.2f of the %.1f that multiply-adds reach here; %.0f MB at most, %.0f estimated\n",
              number("gflops"), number("fma_peak_fraction"), number("fma_peak_gflops"), number("peak_rss_mb"),
              number("memory_estimate_mb"));
  if (!d.contains("profile")) return;
  std::printf("\nthe fastest step:\n%s", profile_table(d.at("profile"), number("fma_peak_gflops")).c_str());
}

int bench(const BenchFlags& o) {
  if (o.moe && o.dense) throw BadInput("--moe and --dense exclude each other");
  const Subject subject = subject_of(o);
  const Json& config = subject.config;
  const capi::Options options = o.exec.options();
  const Json costs = run_costs(config, options);
  require_memory(costs);
  const double rss_before = static_cast<double>(peak_rss_bytes());
  const capi::Model model(json_text(config), options);
  capi::Trainer trainer(model, subject.dataset, json_text(config));
  const Json exec = exec_info(model);
  const int threads = exec.at("num_threads");
  double peak = fma_peak_gflops(threads);
  const Times times = time_steps(trainer, o);
  peak = std::max(peak, fma_peak_gflops(threads));

  const Json& train = config.at("train");
  const Json ms = min_and_median(times.wall);
  const double tokens = train.at("batch_size").get<double>() * train.at("seq_len").get<double>() *
                        train.at("accumulation_steps").get<double>();
  const double tokens_per_s = tokens / ms.at("min").get<double>() * 1e3;
  const double gflops = tokens_per_s * costs.at("train_flops_per_token").get<double>() * 1e-9;
  Json document = {{"size", subject.size},
                   {"model", config.at("model").at("moe").at("layers").empty() ? "dense" : "moe"},
                   {"ms_per_step", ms},
                   {"cpu_ms_per_step", min_and_median(times.cpu)},
                   {"tokens_per_step", tokens},
                   {"tokens_per_s", tokens_per_s},
                   {"gflops", gflops},
                   {"fma_peak_gflops", peak},
                   {"fma_peak_fraction", gflops / peak},
                   {"peak_rss_mb", static_cast<double>(peak_rss_bytes()) / (1 << 20)},
                   {"rss_before_model_mb", rss_before / (1 << 20)},
                   {"memory_estimate_mb", costs.at("memory_bytes").at("total").get<double>() / (1 << 20)},
                   {"params", costs.at("parameters").at("total")},
                   {"active_params", costs.at("parameters").at("active")},
                   {"train_flops_per_token", costs.at("train_flops_per_token")},
                   {"loss", times.loss},
                   {"threads", threads},
                   {"isa", exec.at("instruction_set")},
                   {"steps", o.steps},
                   {"warmup", o.warmup},
                   {"cpu", cpu_info().at("model")},
                   {"version", capi::version_string()}};
  if (o.profile) document["profile"] = times.profile;
  if (o.json) {
    std::printf("%s\n", json_text(document).c_str());
  } else {
    print(document);
  }
  return kOk;
}

}  // namespace

void add_bench_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<BenchFlags>();
  CLI::App* command = program.add_subcommand(
      "bench", "Time training steps of a benchmark model on random tokens, or of your own configuration on its data");
  command->add_option("--size", o->size, "benchmark model (default lab): 2 blocks of 64; mid: 4 blocks of 512")
      ->check(CLI::IsMember({"lab", "mid"}));
  command->add_flag("--moe", o->moe, "the Mixture-of-Experts model");
  command->add_flag("--dense", o->dense, "the dense model (default)");
  command->add_flag("--profile", o->profile, "where the time of the fastest step goes, operation by operation");
  command->add_option("--steps", o->steps, "timed steps (default 30)")->check(sane_range(1, 1 << 24));
  command->add_option("--warmup", o->warmup, "steps before them (default 3)")->check(sane_range(0, 1 << 24));
  command->add_flag("--json", o->json, "print one JSON document");
  o->config.add_to(*command, ConfigScope::kFile);
  o->exec.add_to(*command);
  command->callback([o, &action] { action = [o] { return bench(*o); }; });
}

}  // namespace cli
