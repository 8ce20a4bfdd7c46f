// SPDX-License-Identifier: Apache-2.0
#include "moe_layer.hpp"

#include <limits>
#include <minimoe/moe/bias_balancer.hpp>
#include <numeric>

#include "parameters.hpp"

using minimoe::MoEConfig;
using minimoe::ParameterRef;
using minimoe::Role;
using minimoe::RunConfig;

namespace minimoe::capi {
namespace {

constexpr double kMaxLayerElements = 1e11;  // beyond any machine's memory: refused before anything is allocated

/// What does not concern the layer (heads, sequence length, data) is checked field by field only, so that a host need
/// not make a whole model's configuration agree.
RunConfig parse_layer_config(const char* function, const char* json, std::size_t json_len) {
  const std::string text = input_json(function, json, json_len);
  RunConfig config = parse_run_config(text.empty() ? "{}" : text);
  const MoEConfig moe = config.model.moe_config();
  std::vector<std::string> problems = moe.problems();
  for (std::string& problem : problems) problem.insert(0, "model.");
  const double elements = 3.0 * static_cast<double>(moe.num_experts + moe.num_shared_experts) *
                          static_cast<double>(moe.d_expert) * static_cast<double>(moe.d_model);
  if (elements > kMaxLayerElements) {
    problems.push_back(concat("model.moe: num_experts, d_expert and model.d_model make about ", elements,
                              " parameters, allowed at most ", kMaxLayerElements));
  }
  require_no_problems(problems);
  return config;
}

void check_count(const char* function, const ParameterRef<float>& parameter, std::size_t num_data) {
  if (num_data == parameter.size()) return;
  fail(MINIMOE_E_SHAPE, function, ": num_data is ", num_data, ", ", parameter.name, " has ", parameter.size(),
       " values ", shape_string(parameter.shape), "; 0 goes back to the layer's own memory");
}

ParameterRef<float>& find_weight(const char* function, ParameterList<float>& parameters, const char* name) {
  ParameterRef<float>& p = find_parameter(function, parameters, name);
  require(p.role == Role::kWeight, function, ": ", p.name, " is a buffer, which has no gradient");
  return p;
}

/// The loads, checked so that the comparison with their mean cannot overflow.
std::span<const std::int64_t> input_load(const char* function, const std::int64_t* load, std::size_t num_load,
                                         std::size_t num_experts) {
  if (num_load != num_experts) {
    fail(MINIMOE_E_SHAPE, function, ": num_load is ", num_load, ", expected ", num_experts, " (num_experts)");
  }
  const std::int64_t most = std::numeric_limits<std::int64_t>::max() / static_cast<std::int64_t>(num_experts);
  std::int64_t total = 0;
  for (const std::int64_t count : input(function, "load", load, num_load)) {
    require(count >= 0 && count <= most - total, function, ": load holds ", count, ", expected counts of 0 or more, ",
            most, " in all");
    total += count;
  }
  return {load, num_load};
}

}  // namespace

void MoEForward::plan(Arena& arena, const MoEConfig& config, std::size_t max_tokens) {
  cache.plan(arena, config, max_tokens);
  stats.reset(config.num_experts);
}

}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_moe_layer::minimoe_moe_layer(const char* function, const RunConfig& run_config,
                                     const minimoe_options* caller_options)
    : Handle(kKind),
      options(function, caller_options),
      config(run_config),
      layer(config.model.moe_config(), options.resource()),
      workspaces(options) {
  const minimoe::Exec probe(options.exec());  // options that this machine cannot serve are refused here
  layer.collect_parameters("", parameters);
  initialize_parameters(parameters, config.train.seed);
}

float* minimoe_moe_layer::own_gradient(const ParameterRef<float>& parameter) {
  if (!own_gradients_) return nullptr;
  std::size_t at = 0;
  for (const ParameterRef<float>& p : parameters) {
    if (&p == &parameter) break;
    if (p.role == Role::kWeight) at += p.size();
  }
  return own_gradients_->data() + at;
}

void minimoe_moe_layer::bind_gradient(ParameterRef<float>& parameter, float* data) {
  parameter.gradient = data ? data : own_gradient(parameter);
  parameter.bind_gradient(parameter.gradient);
}

void minimoe_moe_layer::provide_gradients() {
  std::size_t count = 0;
  bool wanted = false;
  for (const ParameterRef<float>& p : parameters) {
    if (p.role != Role::kWeight) continue;
    count += p.size();
    wanted = wanted || !p.gradient;
  }
  if (!wanted) return;
  own_gradients_ =
      std::make_unique<minimoe::Tensor<float, 1>>(minimoe::make_tensor<float, 1>({count}, options.resource()));
  for (ParameterRef<float>& p : parameters) {
    if (p.role == Role::kWeight && !p.gradient) bind_gradient(p, nullptr);
  }
}

void minimoe_moe_layer::zero_gradients() {
  if (own_gradients_) std::fill_n(own_gradients_->data(), own_gradients_->size(), 0.0f);
  for (const ParameterRef<float>& p : parameters) {
    if (p.gradient) std::fill_n(p.gradient, p.size(), 0.0f);
  }
}

minimoe_status minimoe_moe_layer_create(const char* json, size_t json_len, const minimoe_options* options,
                                        minimoe_moe_layer** out, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "out", out);
    const RunConfig config = parse_layer_config(where, json, json_len);
    auto made = std::make_unique<minimoe_moe_layer>(where, config, options);
    const MoEConfig& moe = made->layer.config();
    made->options.log(MINIMOE_LOG_INFO, where, ": d_model ", moe.d_model, ", ", moe.num_experts, " experts of ",
                      moe.d_expert, ", top_k ", moe.top_k);
    *out = made.release();
  });
}

minimoe_status minimoe_moe_layer_retain(minimoe_moe_layer* layer, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) { add_owner(where, "layer", layer); });
}

void minimoe_moe_layer_free(minimoe_moe_layer* layer) { release(layer); }

minimoe_status minimoe_moe_layer_config(const minimoe_moe_layer* layer, char* buf, size_t buf_cap, size_t* buf_needed,
                                        minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Reading<minimoe_moe_layer> held(where, "layer", layer);
    TextOutput(where, buf, buf_cap, buf_needed).write(run_config_json(held->config));
  });
}

minimoe_status minimoe_moe_layer_num_parameters(const minimoe_moe_layer* layer, size_t* num_parameters,
                                                minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Reading<minimoe_moe_layer> held(where, "layer", layer);
    check_pointer(where, "num_parameters", num_parameters);
    *num_parameters = held->parameters.size();
  });
}

minimoe_status minimoe_moe_layer_parameter_info(const minimoe_moe_layer* layer, size_t index, char* buf, size_t buf_cap,
                                                size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Reading<minimoe_moe_layer> held(where, "layer", layer);
    parameter_info(where, held->parameters, index, TextOutput(where, buf, buf_cap, buf_needed));
  });
}

minimoe_status minimoe_moe_layer_parameter_get(const minimoe_moe_layer* layer, const char* name, float* values,
                                               size_t values_cap, size_t* values_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Reading<minimoe_moe_layer> held(where, "layer", layer);
    parameter_get(where, held->parameters, name, Output<float>(where, "values", values, values_cap, values_needed));
  });
}

minimoe_status minimoe_moe_layer_parameter_set(minimoe_moe_layer* layer, const char* name, const float* data,
                                               size_t num_data, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Writing<minimoe_moe_layer> held(where, "layer", layer);
    parameter_set(where, held->parameters, name, data, num_data);
    ++held->generation;
  });
}

minimoe_status minimoe_moe_layer_parameter_view(const minimoe_moe_layer* layer, const char* name,
                                                minimoe_tensor_view* view, size_t view_size, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Reading<minimoe_moe_layer> held(where, "layer", layer);
    parameter_view(where, held->parameters, name, held->generation, view, view_size);
  });
}

minimoe_status minimoe_moe_layer_bind_parameter(minimoe_moe_layer* layer, const char* name, float* data,
                                                size_t num_data, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Writing<minimoe_moe_layer> held(where, "layer", layer);
    ParameterRef<float>& p = find_parameter(where, held->parameters, name);
    if (num_data > 0) {
      check_count(where, p, num_data);
      check_array(where, "data", data, num_data);
    }
    p.value = p.bind_value(num_data > 0 ? data : nullptr);
    ++held->generation;
  });
}

minimoe_status minimoe_moe_layer_bind_gradient(minimoe_moe_layer* layer, const char* name, float* data, size_t num_data,
                                               minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Writing<minimoe_moe_layer> held(where, "layer", layer);
    ParameterRef<float>& p = find_weight(where, held->parameters, name);
    if (num_data > 0) {
      check_count(where, p, num_data);
      check_array(where, "data", data, num_data);
    }
    held->bind_gradient(p, num_data > 0 ? data : nullptr);
  });
}

minimoe_status minimoe_moe_layer_parameters_changed(minimoe_moe_layer* layer, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Writing<minimoe_moe_layer> held(where, "layer", layer);
    ++held->generation;
  });
}

minimoe_status minimoe_moe_layer_gradient_get(const minimoe_moe_layer* layer, const char* name, float* values,
                                              size_t values_cap, size_t* values_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Reading<minimoe_moe_layer> held(where, "layer", layer);
    const Output<float> out(where, "values", values, values_cap, values_needed);
    const ParameterRef<float>& p = find_weight(where, held->parameters, name);
    if (p.gradient) return out.write({p.gradient, p.size()});
    out.reserve(p.size());
    std::fill_n(out.data(), p.size(), 0.0f);
    out.set_needed(p.size());
  });
}

minimoe_status minimoe_moe_layer_zero_gradients(minimoe_moe_layer* layer, minimoe_error* err) {
  return guarded(__func__, err,
                 [&](const char* where) { Writing<minimoe_moe_layer>(where, "layer", layer)->zero_gradients(); });
}

minimoe_status minimoe_moe_layer_update_bias(minimoe_moe_layer* layer, const int64_t* load, size_t num_load,
                                             minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Writing<minimoe_moe_layer> held(where, "layer", layer);
    const MoEConfig& moe = held->layer.config();
    const std::span<const std::int64_t> counts = input_load(where, load, num_load, moe.num_experts);
    minimoe::update_expert_bias(held->layer.expert_bias(), {counts.data(), {counts.size()}}, moe.bias_update_rate,
                                moe.bias_centering);
    ++held->generation;
  });
}
