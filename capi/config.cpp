// SPDX-License-Identifier: Apache-2.0
#include "config.hpp"

#include <minimoe/train/trainer.hpp>

#include "core/json_writer.hpp"
#include "options.hpp"

namespace minimoe::capi {
namespace {

std::string preset(const std::string& name) {
  if (name == "lab") return run_config_json(lab_preset());
  if (name == "lab-dense") return run_config_json(lab_dense_preset());
  throw Error(ErrorCode::kInvalidArgument,
              concat("minimoe_config_preset: name is \"", name, "\", expected lab or lab-dense"));
}

std::string keys() {
  JsonWriter list;
  list.begin('[');
  for (const ConfigKey& k : run_config_keys()) {
    list.begin('{').member("key", k.key).member("type", k.type).member("default", k.default_value);
    list.member("meaning", k.meaning).end('}');
  }
  return list.end(']').text();
}

std::string cost(const RunConfig& config) {
  const ModelCost cost = model_cost(config.model, config.train.seq_len);
  JsonWriter out;
  out.begin('{').member("total_parameters", cost.total_parameters).member("active_parameters", cost.active_parameters);
  return out.member("train_flops_per_token", cost.train_flops_per_token).end('}').text();
}

std::string memory(const RunConfig& config, const Options& options) {
  const MemoryEstimate m = Trainer<float>::estimate_memory(config.model, config.train, options.exec());
  JsonWriter out;
  out.begin('{').member("parameters", m.parameters).member("gradients", m.gradients).member("moments", m.moments);
  out.member("activations", m.activations).member("workspace", m.workspace).member("total", m.total());
  return out.end('}').text();
}

}  // namespace

RunConfig parse_config(const char* function, const char* json, std::size_t json_len) {
  const std::string text = input_json(function, json, json_len);
  RunConfig config = parse_run_config(text.empty() ? "{}" : text);
  require_no_problems(config.problems());
  return config;
}

RunConfig parse_model_config(const char* function, const char* json, std::size_t json_len) {
  RunConfig config = parse_config(function, json, json_len);
  require(config.model.vocab_size > 0, function,
          ": model.vocab_size is 0, expected 1 or more (minimoe_dataset_fit_config takes it from a dataset)");
  return config;
}

}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_config_preset(const char* name, char* buf, size_t buf_cap, size_t* buf_needed,
                                     minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    out.write(preset(input_name(where, "name", name)));
  });
}

minimoe_status minimoe_config_resolve(const char* json, size_t json_len, char* buf, size_t buf_cap, size_t* buf_needed,
                                      minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    out.write(minimoe::run_config_json(parse_config(where, json, json_len)));
  });
}

minimoe_status minimoe_config_keys(char* buf, size_t buf_cap, size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) { TextOutput(where, buf, buf_cap, buf_needed).write(keys()); });
}

minimoe_status minimoe_config_cost(const char* json, size_t json_len, char* buf, size_t buf_cap, size_t* buf_needed,
                                   minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    out.write(cost(parse_model_config(where, json, json_len)));
  });
}

minimoe_status minimoe_config_estimate_memory(const char* json, size_t json_len, const minimoe_options* options,
                                              char* buf, size_t buf_cap, size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Options checked_options(where, options);
    out.write(memory(parse_model_config(where, json, json_len), checked_options));
  });
}
