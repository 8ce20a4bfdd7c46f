// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "command.hpp"
#include "config_file.hpp"
#include "config_options.hpp"
#include "exit_codes.hpp"
#include "library.hpp"
#include "training_run.hpp"

namespace cli {

namespace {

struct ConfigFlags {
  ConfigOptions config;
  ExecFlags exec;
  bool toml = false, keys = false, json = false;
};

void print_keys(bool as_json) {
  if (as_json) {
    std::printf("%s\n", capi::config_keys().c_str());
    return;
  }
  for (const ConfigKey& k : known_keys()) {
    std::printf("%s = %s\n    %s; %s\n", k.key.c_str(), k.default_value.c_str(), k.meaning.c_str(), k.type.c_str());
  }
}

int show_config(const ConfigFlags& o) {
  if (o.toml && (o.json || o.keys)) throw BadInput("--toml excludes --json and --keys");
  if (o.keys) {
    print_keys(o.json);
    return kOk;
  }
  const Json config = o.config.resolve();
  const capi::Dataset dataset = capi::Dataset::open(json_text(config));
  const Json fitted = Json::parse(dataset.fit_config(json_text(config)));
  const capi::Options options = o.exec.options();
  if (o.toml) {
    std::string summary = run_summary(fitted, dataset, options, Json::object());
    std::string comment = "# ";
    for (const char c : summary.substr(0, summary.size() - 1))
      comment += c == '\n' ? std::string("\n# ") : std::string(1, c);
    std::printf("%s\n%s", comment.c_str(), config_toml(config).c_str());
    return kOk;
  }
  Json document = {{"config", config}, {"vocab_size", fitted.at("model").at("vocab_size")}};
  document.update(run_costs(fitted, options));
  std::printf("%s\n", json_text(document, o.json ? -1 : 2).c_str());
  return kOk;
}

}  // namespace

void add_config_command(CLI::App& program, Action& action) {
  const auto o = std::make_shared<ConfigFlags>();
  CLI::App* command =
      program.add_subcommand("config", "Print the configuration that the options come to, and what it costs");
  o->config.add_to(*command, ConfigScope::kAll);
  o->exec.add_to(*command);
  command->add_flag("--toml", o->toml, "as a TOML file for --config, each key with its meaning")->group("Output");
  command->add_flag("--keys", o->keys, "list every key with default, meaning and range instead")->group("Output");
  command->add_flag("--json", o->json, "on one line")->group("Output");
  command->callback([o, &action] { action = [o] { return show_config(*o); }; });
}

}  // namespace cli
