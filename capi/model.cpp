// SPDX-License-Identifier: Apache-2.0
#include "model.hpp"

#include <minimoe/train/checkpoint.hpp>

#include "core/json_writer.hpp"
#include "parameters.hpp"

namespace minimoe::capi {
namespace {

std::string info(const minimoe_model& model) {
  const ModelCost cost = model_cost(model.config.model, model.config.train.seq_len);
  const bool blas = model.options.exec().matmul_backend == MatmulBackend::kBlas;
  JsonWriter out;
  out.begin('{').member("num_threads", model.num_threads);
  out.member("instruction_set", instruction_set_name(model.instruction_set));
  out.member("matmul_backend", blas ? "blas" : "native").member("total_parameters", cost.total_parameters);
  out.member("active_parameters", cost.active_parameters).member("moe_blocks", model.config.model.moe_layers);
  return out.end('}').text();
}

void warn_of_traps(const minimoe_model& model) {
  const ModelConfig& config = model.config.model;
  if (!config.moe_layers.empty() && config.moe.num_experts > 1 && config.moe.top_k == config.moe.num_experts) {
    model.options.log(MINIMOE_LOG_WARNING, "model: top_k equals num_experts (", config.moe.num_experts,
                      "): every token uses every expert, so there is nothing to balance");
  }
}

}  // namespace

std::unique_ptr<minimoe_model> make_model(const char* where, const RunConfig& config, const minimoe_options* options,
                                          StartValues values) {
  auto model = std::make_unique<minimoe_model>(where, config, options);
  if (values == StartValues::kDrawn) initialize_parameters(model->parameters, config.train.seed);
  std::size_t num_values = 0;
  for (const ParameterRef<float>& p : model->parameters) num_values += p.size();
  model->options.log(MINIMOE_LOG_INFO, "model: ", num_values, " values in ", model->parameters.size(), " parameters, ",
                     model->num_threads, " threads, ", instruction_set_name(model->instruction_set));
  warn_of_traps(*model);
  return model;
}

void ModelWorkspace::grow(const ModelConfig& config, std::size_t batch_size, std::size_t seq_len) {
  if (batch_size <= max_batch_size && seq_len <= max_seq_len) return;
  const std::size_t batches = std::max(batch_size, max_batch_size), tokens = std::max(seq_len, max_seq_len);
  max_batch_size = max_seq_len = 0;  // until the larger one stands
  arena.build([&](Arena& a) { cache.plan(a, config, batches, tokens, exec.num_threads(), false); });
  max_batch_size = batches;
  max_seq_len = tokens;
}

std::shared_ptr<const PackedWeights<float>> PackedWeightsOfModel::held(std::uint64_t generation) {
  return generation_ == generation ? packed_.lock() : nullptr;
}

std::shared_ptr<const PackedWeights<float>> PackedWeightsOfModel::get(const minimoe_model& model, Exec& exec) {
  const std::uint64_t generation = model.generation;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (auto packed = held(generation)) return packed;
  }
  // Without the lock: the host's allocator is called. Another stream may be as far meanwhile.
  auto made = std::make_shared<const PackedWeights<float>>(exec, linear_weights(model.parameters, model.config.model),
                                                           model.options.resource());
  const std::lock_guard<std::mutex> lock(mutex_);
  if (auto packed = held(generation)) return packed;
  packed_ = made;
  generation_ = generation;
  return made;
}

}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_model::minimoe_model(const char* function, const minimoe::RunConfig& run, const minimoe_options* o)
    : Handle(kKind),
      options(function, o),
      config(run),
      num_threads(minimoe::Exec::resolved_num_threads(options.exec())),
      model(config.model, options.resource()),
      parameters(model.parameters()),
      workspaces(options, num_threads) {
  instruction_set = minimoe::Exec(options.exec(num_threads)).instruction_set();
}

minimoe_status minimoe_model_create(const char* json, size_t json_len, const minimoe_options* options,
                                    minimoe_model** out, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "out", out);
    *out = make_model(where, parse_model_config(where, json, json_len), options, StartValues::kDrawn).release();
  });
}

minimoe_status minimoe_model_load(const char* path, const minimoe_options* options, minimoe_model** out,
                                  minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "out", out);
    const std::string file = input_name(where, "path", path);
    const minimoe::Checkpoint saved(file);
    auto model = make_model(where, saved.config_of_model(), options, StartValues::kZero);
    saved.load_weights(model->model);
    model->options.log(MINIMOE_LOG_INFO, "model: read ", file);
    *out = model.release();
  });
}

minimoe_status minimoe_model_retain(minimoe_model* model, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) { add_owner(where, "model", model); });
}

void minimoe_model_free(minimoe_model* model) { release(model); }

minimoe_status minimoe_model_config(const minimoe_model* model, char* buf, size_t buf_cap, size_t* buf_needed,
                                    minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_model> reading(where, "model", model);
    out.write(minimoe::run_config_json(reading->config));
  });
}

minimoe_status minimoe_model_info(const minimoe_model* model, char* buf, size_t buf_cap, size_t* buf_needed,
                                  minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_model> reading(where, "model", model);
    out.write(info(*reading));
  });
}

minimoe_status minimoe_model_num_parameters(const minimoe_model* model, size_t* num_parameters, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "num_parameters", num_parameters);
    const Reading<minimoe_model> reading(where, "model", model);
    *num_parameters = reading->parameters.size();
  });
}

minimoe_status minimoe_model_parameter_info(const minimoe_model* model, size_t index, char* buf, size_t buf_cap,
                                            size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_model> reading(where, "model", model);
    parameter_info(where, reading->parameters, index, out);
  });
}

minimoe_status minimoe_model_parameter_get(const minimoe_model* model, const char* name, float* values,
                                           size_t values_cap, size_t* values_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Output<float> out(where, "values", values, values_cap, values_needed);
    const Reading<minimoe_model> reading(where, "model", model);
    parameter_get(where, reading->parameters, name, out);
  });
}

minimoe_status minimoe_model_parameter_set(minimoe_model* model, const char* name, const float* data, size_t num_data,
                                           minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Writing<minimoe_model> writing(where, "model", model);
    parameter_set(where, writing->parameters, name, data, num_data);
    ++writing->generation;
  });
}

minimoe_status minimoe_model_parameter_view(const minimoe_model* model, const char* name, minimoe_tensor_view* view,
                                            size_t view_size, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Reading<minimoe_model> reading(where, "model", model);
    parameter_view(where, reading->parameters, name, reading->generation, view, view_size);
  });
}

minimoe_status minimoe_model_generation(const minimoe_model* model, uint64_t* generation, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const auto& checked_model = checked(where, "model", const_cast<minimoe_model*>(model));
    checked_model.require_whole(where);
    check_pointer(where, "generation", generation);
    *generation = checked_model.generation;
  });
}

minimoe_status minimoe_model_save(const minimoe_model* model, const char* path, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const std::string file = input_name(where, "path", path);
    const Reading<minimoe_model> reading(where, "model", model);
    minimoe::save_model(file, reading->config, reading->parameters);
    reading->options.log(MINIMOE_LOG_INFO, "model: wrote ", file);
  });
}

minimoe_status minimoe_model_load_weights(minimoe_model* model, const char* path, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const std::string file = input_name(where, "path", path);
    const Writing<minimoe_model> writing(where, "model", model);
    ++writing->generation;
    minimoe::load_weights(file, writing->model);
    writing->options.log(MINIMOE_LOG_INFO, "model: read ", file);
  });
}
