// SPDX-License-Identifier: Apache-2.0
#include "training_run.hpp"

#include <algorithm>
#include <cmath>

#include "atomic_file.hpp"
#include "exit_codes.hpp"
#include "interrupt.hpp"
#include "machine.hpp"
#include "progress.hpp"
#include "router_log.hpp"

namespace cli {

namespace {

constexpr double kFlushSeconds = 1;

/// One line on stderr when no format of `export` will take the model.
void warn_of_exchange(const capi::Model& model) {
  std::string nearest;
  for (const char* format : {"gguf", "hf"}) {
    try {
      return model.export_to(format, json_text({{"format", format}, {"check", true}}));
    } catch (const capi::Error& failure) {
      if (failure.status() != MINIMOE_E_UNSUPPORTED) throw;
      nearest = failure.what();
    }
  }
  std::fprintf(stderr, "minimoe: warning: the model cannot be exported, to gguf or to hf: %s\n", nearest.c_str());
}

}  // namespace

TrainingRun::TrainingRun(RunRequest request)
    : request_(std::move(request)),
      model_(json_text(request_.config), request_.options),
      trainer_(model_, request_.dataset, json_text(request_.config)),
      files_(request_.directory),
      outputs_(request_.directory, request_.metrics, request_.log_interval),
      total_steps_(request_.config.at("train").at("steps")) {
  if (request_.resume) {
    trainer_.resume(files_.checkpoint().string());
  } else if (!request_.start_weights.empty()) {
    load_start_weights();
  }
}

// A bias that no longer moves would go on choosing, and even counts that it keeps leave the balance loss no gradient.
void TrainingRun::load_start_weights() {
  model_.load_weights(request_.start_weights.string());
  const Json& moe = request_.config.at("model").at("moe");
  if (request_.keeps_frozen_bias || moe.at("bias_balancing").get<bool>()) return;
  const std::vector<float> zeros(moe.at("num_experts").get<std::size_t>());
  for (const Json& block : moe.at("layers")) {
    model_.set_parameter("blocks." + block.dump() + ".moe.expert_bias", zeros);
  }
}

void TrainingRun::begin() {
  const Json corpus = corpus_identity(request_.dataset);
  if (!request_.resume) {
    const bool has_vocabulary = request_.config.at("data").value("tokenizer", "auto") != "auto";
    files_.begin(request_.config, corpus, has_vocabulary ? Json::parse(request_.dataset.tokenizer()) : Json());
    outputs_.begin();
    // The models of the other commands are made for their figures.
    if (request_.label == "train") warn_of_exchange(model_);
    return;
  }
  std::error_code error;
  was_finished_ = std::filesystem::exists(files_.result(), error);
  const std::vector<Json> lines = files_.resume(trainer_.step(), request_.config, corpus);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    try {
      take(lines[i]);
    } catch (const Json::exception& problem) {
      throw bad_metrics_line(files_.metrics(), i, problem.what());
    }
  }
  outputs_.resume(lines, files_.metrics());
}

void TrainingRun::take(const Json& line) {
  losses_.push_back(line.at("loss").is_number() ? line.at("loss").get<double>() : NAN);
  wall_ += line.value("seconds", 0.0);
  cpu_ += line.value("cpu_seconds", 0.0);
  tokens_ += line.value("tokens", std::int64_t{0});
}

RunOutcome TrainingRun::run() {
  const std::int64_t end = request_.stop_at > 0 ? std::min(request_.stop_at, total_steps_) : total_steps_;
  Progress progress(request_.label, trainer_.step(), total_steps_, request_.quiet);
  double flushed_at = wall_seconds();
  std::int64_t saved_at = -1;
  const auto save = [&] {
    if (saved_at == trainer_.step()) return;
    this->save();
    saved_at = trainer_.step();
  };
  try {
    while (trainer_.step() < end && !interrupt_token().fired()) {
      const double wall = wall_seconds(), cpu = cpu_seconds();
      const capi::StepsResult done = trainer_.steps(1, &interrupt_token()).throw_if_failed();
      if (done.metrics.empty()) break;
      const capi::StepMetrics& metrics = done.metrics.front();
      Json line = metrics_line(metrics, wall_seconds() - wall, cpu_seconds() - cpu);
      if (request_.eval_interval > 0 && metrics.step % request_.eval_interval == 0 && metrics.step < total_steps_) {
        line["val_loss"] = validate(line);
      }
      if (samples_interference(metrics.step)) line["interference"] = Json::parse(trainer_.interference());
      record(line);
      progress.update(metrics.step, metrics.loss, metrics.num_tokens);
      if (request_.log && (metrics.step % request_.log_interval == 0 || metrics.step == total_steps_)) {
        progress.clear();
        log_step(metrics);
      }
      if (request_.save_interval > 0 && metrics.step % request_.save_interval == 0) save();
      if (wall_seconds() - flushed_at > kFlushSeconds) {
        flush();
        flushed_at = wall_seconds();
      }
    }
  } catch (const capi::Error& failure) {
    progress.clear();
    if (failure.status() == MINIMOE_E_NON_FINITE) save_and_fail(failure.what());
    flush();
    throw;
  }
  flush();
  progress.finish();
  if (trainer_.step() < total_steps_) {
    save();
    return interrupt_token().fired() ? RunOutcome::kInterrupted : RunOutcome::kStopped;
  }
  save();
  finish();
  return RunOutcome::kFinished;
}

// The first step too: there the router is as it starts.
bool TrainingRun::samples_interference(std::int64_t step) const {
  return request_.interference_interval > 0 && step < total_steps_ &&
         (step == 1 || step % request_.interference_interval == 0);
}

// A step whose validation fails is a completed one and has its line, or its checkpoint could not be resumed.
double TrainingRun::validate(const Json& unfinished_line) {
  try {
    return trainer_.evaluate("val", request_.evaluation.max_windows).loss;
  } catch (const capi::Error&) {
    record(unfinished_line);
    throw;
  }
}

Json TrainingRun::metrics_line(const capi::StepMetrics& m, double seconds, double cpu) const {
  Json layers = Json::array();
  for (const LayerRouting& layer : routing_of(trainer_, MINIMOE_ROUTING_STEP)) {
    layers.push_back({{"block", layer.block},
                      {"load", layer.load},
                      {"mean_probs", layer.mean_probs},
                      {"gate_weight_share", layer.gate_weight_share},
                      {"dropped", layer.dropped},
                      {"aux_loss", layer.aux_loss},
                      {"z_loss", layer.z_loss},
                      {"router_logit_norm", layer.router_logit_norm},
                      {"bias_min", layer.bias_min},
                      {"bias_max", layer.bias_max}});
  }
  return {{"step", m.step},
          {"loss", m.loss},
          {"aux_loss", m.aux_loss},
          {"z_loss", m.z_loss},
          {"learning_rate", m.learning_rate},
          {"grad_norm", m.gradient_norm},
          {"tokens", m.num_tokens},
          {"seconds", seconds},
          {"cpu_seconds", cpu},
          {"layers", layers}};
}

void TrainingRun::log_step(const capi::StepMetrics& m) const {
  std::string text;
  char head[200];
  std::snprintf(head, sizeof head, "step=%4lld  main=%.3f", static_cast<long long>(m.step), m.loss);
  text = head;
  const std::vector<LayerRouting> layers = routing_of(trainer_, MINIMOE_ROUTING_STEP);
  if (!layers.empty()) {
    std::snprintf(head, sizeof head, "  aux=%.3f  expert_counts=[", m.aux_loss);
    text += head;
    for (const std::int64_t load : layers.front().load) text += " " + std::to_string(load);
    text += " ]";
  }
  std::fprintf(request_.log, "%s\n", text.c_str());
  std::fflush(request_.log);
}

void TrainingRun::record(const Json& line) {
  take(line);
  files_.append(line);
  outputs_.append(line);
}

void TrainingRun::flush() {
  files_.flush();
  outputs_.flush();
}

void TrainingRun::save() {
  files_.sync();
  outputs_.sync();
  try {
    trainer_.save(files_.checkpoint().string());
  } catch (const capi::Error& failure) {
    throw RunFailed(failure.what());
  }
}

// The trainer is as it was before the step that was not finite.
void TrainingRun::save_and_fail(const std::string& reason) {
  try {
    save();
  } catch (const RunFailed& error) {
    throw RunFailed(reason + "; that state is not saved: " + error.what());
  }
  throw RunFailed(reason + "; step " + std::to_string(trainer_.step()) + " is saved in " +
                  files_.checkpoint().string());
}

double TrainingRun::train_loss() const {
  const std::size_t count = std::min(losses_.size(), std::clamp<std::size_t>(losses_.size() / 10, 1, 100));
  double sum = 0;
  for (std::size_t i = losses_.size() - count; i < losses_.size(); ++i) sum += losses_[i];
  return sum / static_cast<double>(count);
}

void TrainingRun::finish() {
  const std::size_t seq_len = request_.config.at("train").at("seq_len");
  Json splits = Json::object();
  for (const std::string& split : evaluation_splits(request_.dataset, seq_len)) {
    splits[split] = evaluate_split(trainer_, model_, request_.dataset, split, request_.evaluation, request_.floors);
  }
  const Json& val = splits.at("val");
  result_ = {{"version", capi::version_string()},
             {"steps", trainer_.step()},
             {"seed", request_.config.at("train").at("seed")},
             {"train_loss", train_loss()},
             {"val_loss", val.at("loss")},
             {"val_perplexity", val.at("perplexity")},
             {"entropy_floor", request_.floors},
             {"evaluation", evaluation_json(request_.evaluation)},
             {"splits", splits},
             {"wall_time_s", wall_},
             {"cpu_time_s", cpu_},
             {"tokens_per_s", wall_ > 0 ? static_cast<double>(tokens_) / wall_ : 0},
             {"costs", run_costs(request_.config, request_.options)},
             {"corpus", corpus_identity(request_.dataset)},
             {"exec", exec_info(model_)}};
  if (const Json health = this->health(); !health.is_null()) result_["health"] = health;
  if (!was_finished_) {  // on disk before result.json: what is killed in between writes it twice, never not at all
    outputs_.append_final_validation(trainer_.step(), result_.at("val_loss"));
    outputs_.sync();
  }
  try {
    if (result_.contains("health")) write_file_atomically(files_.health(), json_text(result_.at("health"), 2) + "\n");
    write_file_atomically(files_.result(), json_text(result_, 2) + "\n");
  } catch (const BadInput& error) {
    throw RunFailed(error.what());
  }
}

// From metrics.jsonl and not from the trainer, whose history begins anew with each resume.
Json TrainingRun::health() const {
  const Json& config = request_.config;
  if (config.at("model").at("moe").at("layers").empty()) return nullptr;
  const RunLog log = router_log_of_run(files_.metrics(), config.at("model").at("moe").at("top_k"));
  return Json::parse(capi::health_check(log.text, json_text(health_options_of(config))));
}

Json corpus_identity(const capi::Dataset& dataset) {
  const Json info = Json::parse(dataset.info());
  return {{"name", info.at("name")}, {"sha256", info.at("sha256")}, {"vocab_size", info.at("vocab_size")}};
}

std::string log_header(const Json& config) {
  const Json& layers = config.at("model").at("moe").at("layers");
  if (layers.empty()) return "# main: cross entropy of the step's batch, nats a token\n";
  return "# main: cross entropy of the step's batch, nats a token; aux: E * sum(f * P), mean over MoE layers, "
         "unscaled, 1 when "
         "even; expert_counts: assignments in block " +
         layers.front().dump() + " in that step\n";
}

Json run_costs(const Json& config, const capi::Options& options) {
  const Json cost = Json::parse(capi::config_cost(json_text(config)));
  return {{"parameters", {{"total", cost.at("total_parameters")}, {"active", cost.at("active_parameters")}}},
          {"train_flops_per_token", cost.at("train_flops_per_token")},
          {"memory_bytes", Json::parse(capi::config_estimate_memory(json_text(config), options))}};
}

void require_validation_window(const capi::Dataset& dataset, const Json& config) {
  const std::size_t seq_len = config.at("train").at("seq_len");
  if (dataset.num_windows("val", seq_len) > 0) return;
  throw BadInput(Json::parse(dataset.info()).at("name").get<std::string>() +
                 ": the validation part is shorter than one window of train.seq_len + 1 = " +
                 std::to_string(seq_len + 1) + " tokens");
}

void require_memory(const Json& costs) {
  require_memory("this configuration", costs.at("memory_bytes").at("total").get<double>());
}

std::string run_summary(const Json& config, const capi::Dataset& dataset, const capi::Options& options,
                        const Json& floors) {
  const Json& model = config.at("model");
  const Json& moe = model.at("moe");
  const Json costs = run_costs(config, options);
  const Json data = Json::parse(dataset.info());
  const auto number = [](const Json& n) { return count_text(n.get<std::uint64_t>()); };
  std::string text = "model: " + model.at("num_layers").dump() + " blocks, d_model " + model.at("d_model").dump();
  if (moe.at("layers").empty()) {
    text += ", dense\n";
  } else {
    text += ", MoE in " + moe.at("layers").dump() + " with " + moe.at("num_experts").dump() + " experts, top " +
            moe.at("top_k").dump() + "\n";
  }
  text += "parameters: " + number(costs.at("parameters").at("total")) + " total, " +
          number(costs.at("parameters").at("active")) + " active for a token\n";
  text +=
      "compute: " + fixed(costs.at("train_flops_per_token").get<double>() / 1e6, 2) + " MFLOP for a trained token\n";
  text += "memory: " + bytes_text(costs.at("memory_bytes").at("total").get<double>()) + " estimated, " +
          bytes_text(data.at("memory_bytes").get<double>()) + " of data\n";
  text += "data: " + data.at("name").get<std::string>() + ", vocabulary " + data.at("vocab_size").dump() + ", sha256 " +
          data.at("sha256").get<std::string>().substr(0, 16) + "\n";
  for (const auto& [split, floor] : floors.items()) {
    if (floor.is_number())
      text += "entropy floor of " + split + ": " + fixed(floor.get<double>(), 3) + " nats a token\n";
  }
  return text;
}

}  // namespace cli
