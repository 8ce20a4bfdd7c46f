// SPDX-License-Identifier: Apache-2.0
// Configuration, costs and build information.
#include "core_bridge.hpp"

#include <minimoe/train/checkpoint.hpp>
#include <nlohmann/json.hpp>

#include "core_bridge_calls.hpp"

namespace cli::core {

using json = nlohmann::ordered_json;

minimoe::ExecOptions parse_exec(const std::string& exec) {
  const json parsed = json::parse(exec);
  minimoe::ExecOptions options;
  options.num_threads = parsed.value("num_threads", 0);
  options.instruction_set = minimoe::instruction_set_from_name(parsed.value("instruction_set", "auto"));
  return options;
}

std::string version() { return MINIMOE_CLI_VERSION; }

std::string build_info() {
  return guarded([] {
    json sets = json::array();
    for (const auto set : minimoe::available_instruction_sets()) sets.push_back(minimoe::instruction_set_name(set));
#ifdef __clang__
    const std::string compiler = "clang " __clang_version__;
#else
    const std::string compiler = "g++ " __VERSION__;
#endif
    return json{{"version", version()},
                {"compiler", compiler},
                {"build_type", MINIMOE_CLI_BUILD_TYPE},
                {"matmul", "native"},
                {"instruction_sets", sets}}
        .dump();
  });
}

std::string lab_config() {
  return guarded([] { return minimoe::run_config_json(minimoe::lab_preset()); });
}

std::string resolve_config(const std::string& config) {
  return guarded([&] {
    const minimoe::RunConfig parsed = minimoe::parse_run_config(config);
    refuse(parsed.problems());
    return minimoe::run_config_json(parsed);
  });
}

std::string config_keys() {
  return guarded([] {
    json keys = json::array();
    for (const minimoe::ConfigKey& k : minimoe::run_config_keys()) {
      keys.push_back({{"key", k.key}, {"type", k.type}, {"default", k.default_value}, {"meaning", k.meaning}});
    }
    return keys.dump();
  });
}

std::string model_cost(const std::string& config) {
  return guarded([&] {
    const minimoe::RunConfig parsed = minimoe::parse_run_config(config);
    const minimoe::ModelCost cost = minimoe::model_cost(parsed.model, parsed.train.seq_len);
    return json{{"total_parameters", cost.total_parameters},
                {"active_parameters", cost.active_parameters},
                {"train_flops_per_token", cost.train_flops_per_token}}
        .dump();
  });
}

std::string estimate_memory(const std::string& config, const std::string& exec) {
  return guarded([&] {
    const minimoe::RunConfig parsed = minimoe::parse_run_config(config);
    const minimoe::ExecOptions options = parse_exec(exec);
    const minimoe::MemoryEstimate m = minimoe::Trainer<float>::estimate_memory(parsed.model, parsed.train, options);
    return json{{"parameters", m.parameters},   {"gradients", m.gradients}, {"moments", m.moments},
                {"activations", m.activations}, {"workspace", m.workspace}, {"total", m.total()}}
        .dump();
  });
}

std::string checkpoint_config(const std::string& path) {
  return guarded([&] { return minimoe::run_config_json(minimoe::read_checkpoint_config(path)); });
}

std::int64_t checkpoint_step(const std::string& path) {
  return guarded([&] { return minimoe::read_checkpoint_step(path); });
}

}  // namespace cli::core
