// SPDX-License-Identifier: Apache-2.0
#include "trainer.hpp"

#include <algorithm>
#include <minimoe/train/checkpoint.hpp>

#include "cancel.hpp"
#include "core/strict_json.hpp"
#include "train/bias_guard.hpp"
#include "train/config_difference.hpp"

namespace minimoe::capi {
namespace {

// The caller's configuration, with the parts that it leaves out taken from model and dataset.
RunConfig parse_trainer_config(const char* where, const std::string& text, const minimoe_model& model,
                               const minimoe_dataset& dataset) {
  const std::string object = text.empty() ? "{}" : text;
  RunConfig config = parse_run_config(object);
  const JsonText json = read_json(object, where, ErrorCode::kInvalidArgument);
  if (!json.root.find("data")) config.data = dataset.data.value_or(DataConfig{.corpus = dataset.source().name()});
  if (!json.root.find("model")) config.model = model.config.model;
  if (config.model.vocab_size == 0) config.model.vocab_size = model.config.model.vocab_size;
  require_no_problems(config.problems());

  RunConfig of_model = config;
  of_model.model = model.config.model;
  std::string differences;
  for (const KeyDifference& d : compare_configs(config, of_model)) {
    differences += concat(differences.empty() ? "" : "; ", d.key, ": ", d.left, ", the model has ", d.right);
  }
  require(differences.empty(), where,
          ": the configuration is not that of the model (its model part may be left out): ", differences);
  require(dataset.source().vocab_size() <= config.model.vocab_size, where, ": the dataset has ",
          dataset.source().vocab_size(), " token ids, the model ", config.model.vocab_size,
          " (minimoe_dataset_fit_config makes a configuration for a dataset)");
  return config;
}

struct StepsCall {
  const char* where;
  std::int64_t max_steps;
  minimoe_step_metrics* metrics;
  std::size_t metrics_size, metrics_cap;

  void check() const {
    require(max_steps >= 0, where, ": max_steps is ", max_steps, ", expected 0 or more");
    if (!metrics) return;
    check_struct(where, "metrics", metrics, metrics_size);
    require(static_cast<std::uint64_t>(max_steps) <= metrics_cap, where, ": max_steps is ", max_steps,
            ", expected at most metrics_cap (", metrics_cap, ")");
  }

  void write(std::size_t index, const StepMetrics& m) const {
    if (!metrics) return;
    minimoe_step_metrics out{};
    out.step = m.step;
    out.loss = m.loss;
    out.aux_loss = m.aux_loss;
    out.z_loss = m.z_loss;
    out.total_loss = m.total_loss;
    out.learning_rate = m.learning_rate;
    out.gradient_norm = m.gradient_norm;
    out.num_tokens = m.num_tokens;
    out.num_extra_passes = static_cast<std::int64_t>(m.counting_passes);
    write_struct(reinterpret_cast<char*>(metrics) + index * metrics_size, metrics_size, out);
  }
};

// Without balancing too: a bias that was set and stays still chooses.
void read_bias(std::vector<BiasRange>& ranges, MiniGPT<float>& model) {
  for (std::size_t layer = 0; layer < ranges.size(); ++layer) {
    const auto bias = model.moe_layer(layer).expert_bias();
    const auto [low, high] = std::minmax_element(bias.data(), bias.data() + bias.size());
    ranges[layer] = {*low, *high};
  }
}

// The routing of the step that was just done joins the history.
void keep_routing(minimoe_trainer& trainer) {
  trainer.history.add(trainer.trainer.step(), trainer.trainer.routing());
  read_bias(trainer.step_bias, trainer.model->model);
  for (std::size_t layer = 0; layer < trainer.step_bias.size(); ++layer) {
    trainer.history.set_bias_range(layer, trainer.step_bias[layer].low, trainer.step_bias[layer].high);
  }
}

// `completed` counts on as steps are done, whatever happens after them.
void train(minimoe_trainer& trainer, const StepsCall& call, const CancelFlag* cancel, std::size_t& completed) {
  const Options& options = trainer.model->options;
  StepControl control{cancel, {}};
  if (options.wants(MINIMOE_LOG_TRACE)) {
    control.on_micro_batch = [&](std::size_t micro) {
      options.log(MINIMOE_LOG_TRACE, "trainer: step ", trainer.trainer.step() + 1, ", micro-batch ", micro + 1, " of ",
                  trainer.config.train.accumulation_steps);
    };
  }
  for (std::int64_t i = 0; i < call.max_steps && trainer.trainer.step() < trainer.config.train.steps; ++i) {
    throw_if_cancelled(cancel, call.where);
    const StepMetrics& metrics = trainer.trainer.train_step(control);
    ++trainer.model->generation;
    keep_routing(trainer);
    call.write(completed, metrics);
    ++completed;
    if (trainer.trainer.step() == BiasGuard::kSteps && !trainer.trainer.bias_warning().empty()) {
      options.log(MINIMOE_LOG_WARNING, "trainer: ", trainer.trainer.bias_warning());
    }
  }
}

// The core knows nothing of function names.
EvalBatches eval_batches(const char* where, const TokenSource& source, Split split, std::size_t seq_len,
                         std::uint64_t max_windows) {
  try {
    return EvalBatches(source, split, seq_len, max_windows);
  } catch (const Error& error) {
    throw Error(error.code(), concat(where, ": ", error.what()));
  }
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_trainer::minimoe_trainer(const char* function, minimoe_model& m, minimoe_dataset& d,
                                 const minimoe::RunConfig& c)
    : Handle(kKind),
      model(m),
      dataset(d),
      config(c),
      slot(function, m),
      exec(m.options.exec()),
      batches(d.source(), c.train.seed, c.train.accumulation_steps),
      trainer(m.model, c.train, batches, exec, m.options.resource()),
      step_bias(c.model.moe_layers.size()),
      evaluation_bias(c.model.moe_layers.size()),
      history(c.model.moe_layers.size(), c.model.moe.num_experts) {}

minimoe_status minimoe_trainer_create(minimoe_model* model, minimoe_dataset* dataset, const char* json, size_t json_len,
                                      minimoe_trainer** out, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "out", out);
    const std::string text = input_json(where, json, json_len);
    const Writing<minimoe_model> writing(where, "model", model);
    const Reading<minimoe_dataset> data(where, "dataset", dataset);
    const minimoe::RunConfig config = parse_trainer_config(where, text, *writing, *data);
    auto created = std::make_unique<minimoe_trainer>(where, *writing, *data, config);
    writing->options.log(MINIMOE_LOG_INFO, "trainer: ", config.train.steps, " steps of ",
                         config.train.accumulation_steps, " x ", config.train.batch_size, " x ", config.train.seq_len,
                         " tokens on ", data->source().name());
    if (config.train.precision == minimoe::Precision::kBfloat16 && !created->exec.multiplies_bfloat16()) {
      writing->options.log(MINIMOE_LOG_WARNING, "trainer: train.precision is bf16, which ",
                           minimoe::instruction_set_name(created->exec.instruction_set()),
                           " on this CPU has no instructions for: products are emulated, slower than fp32");
    }
    *out = created.release();
  });
}

void minimoe_trainer_free(minimoe_trainer* trainer) { release(trainer); }

minimoe_status minimoe_trainer_config(const minimoe_trainer* trainer, char* buf, size_t buf_cap, size_t* buf_needed,
                                      minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_trainer> reading(where, "trainer", trainer);
    out.write(minimoe::run_config_json(reading->config));
  });
}

minimoe_status minimoe_trainer_step(const minimoe_trainer* trainer, int64_t* step, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "step", step);
    const Reading<minimoe_trainer> reading(where, "trainer", trainer);
    *step = reading->trainer.step();
  });
}

minimoe_status minimoe_trainer_steps(minimoe_trainer* trainer, int64_t max_steps, minimoe_cancel_token* cancel,
                                     minimoe_step_metrics* metrics, size_t metrics_size, size_t metrics_cap,
                                     size_t* metrics_count, minimoe_error* err) {
  std::size_t completed = 0;
  const minimoe_status status = guarded(__func__, err, [&](const char* where) {
    const StepsCall call{where, max_steps, metrics, metrics_size, metrics_cap};
    if (metrics_count) check_pointer(where, "metrics_count", metrics_count);
    call.check();
    const Writing<minimoe_trainer> writing(where, "trainer", trainer);
    const Writing<minimoe_model> model(where, "model", &*writing->model);
    const Reading<minimoe_dataset> data(where, "dataset", &*writing->dataset);
    const OptionalCancel token(where, cancel);
    train(*writing, call, token.flag(), completed);
  });
  if (metrics_count && is_aligned(metrics_count)) *metrics_count = completed;
  return status;
}

minimoe_status minimoe_trainer_evaluate(minimoe_trainer* trainer, const char* split, uint64_t max_windows,
                                        minimoe_cancel_token* cancel, minimoe_evaluation* evaluation,
                                        size_t evaluation_size, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_struct(where, "evaluation", evaluation, evaluation_size);
    const minimoe::Split which = input_split(where, split);
    const Writing<minimoe_trainer> writing(where, "trainer", trainer);
    const Reading<minimoe_model> model(where, "model", &*writing->model);
    const Reading<minimoe_dataset> data(where, "dataset", &*writing->dataset);
    const OptionalCancel token(where, cancel);
    const minimoe::TrainConfig& train = writing->config.train;
    const minimoe::EvalBatches batches = eval_batches(where, data->source(), which, train.seq_len, max_windows);
    minimoe::EvalResult result =
        writing->trainer.evaluate(batches, batches.num_batches(train.batch_size), token.flag());
    minimoe_evaluation out{};
    out.loss = result.loss;
    out.num_targets = result.num_targets;
    out.num_windows = static_cast<std::int64_t>(batches.num_windows());
    writing->evaluation.swap(result.routing);
    read_bias(writing->evaluation_bias, writing->model->model);
    write_struct(evaluation, evaluation_size, out);
  });
}

minimoe_status minimoe_trainer_set_profile(minimoe_trainer* trainer, int32_t enabled, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Writing<minimoe_trainer> writing(where, "trainer", trainer);
    writing->trainer.set_profile(enabled != 0);
  });
}

minimoe_status minimoe_trainer_profile(const minimoe_trainer* trainer, char* buf, size_t buf_cap, size_t* buf_needed,
                                       minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_trainer> reading(where, "trainer", trainer);
    const minimoe::Profile* profile = reading->trainer.profile();
    minimoe::require(profile != nullptr, where, ": the profile is off; minimoe_trainer_set_profile turns it on");
    out.write(profile->json());
  });
}

minimoe_status minimoe_trainer_save(const minimoe_trainer* trainer, const char* path, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const std::string file = input_name(where, "path", path);
    const Reading<minimoe_trainer> reading(where, "trainer", trainer);
    const Reading<minimoe_model> model(where, "model", &*reading->model);
    minimoe::save_checkpoint(file, reading->config, model->model, reading->trainer);
    model->options.log(MINIMOE_LOG_INFO, "trainer: wrote ", file, " at step ", reading->trainer.step());
  });
}

minimoe_status minimoe_trainer_resume(minimoe_trainer* trainer, const char* path, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const std::string file = input_name(where, "path", path);
    const Writing<minimoe_trainer> writing(where, "trainer", trainer);
    const Writing<minimoe_model> model(where, "model", &*writing->model);
    ++model->generation;
    minimoe::resume_checkpoint(file, model->model, writing->trainer);
    writing->history.clear();
    model->options.log(MINIMOE_LOG_INFO, "trainer: read ", file, ", at step ", writing->trainer.step());
  });
}
