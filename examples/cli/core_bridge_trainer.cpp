// SPDX-License-Identifier: Apache-2.0
// Models and trainers.
#include <map>
#include <minimoe/model/sampler.hpp>
#include <minimoe/train/checkpoint.hpp>
#include <nlohmann/json.hpp>

#include "core_bridge_calls.hpp"

namespace cli::core {

using json = nlohmann::ordered_json;

Model::Model(const std::string& config, const std::string& exec) {
  guarded([&] {
    const minimoe::RunConfig parsed = minimoe::parse_run_config(config);
    impl_ = std::make_shared<Impl>(parsed.model, parse_exec(exec));
    impl_->model.initialize(parsed.train.seed);
  });
}

std::string Model::exec_info() const {
  return guarded([&] {
    return json{{"num_threads", impl_->exec.num_threads()},
                {"instruction_set", minimoe::instruction_set_name(impl_->exec.instruction_set())}}
        .dump();
  });
}

std::vector<std::size_t> Model::moe_blocks() const { return impl_->model.config().moe_layers; }

void Model::load_weights(const std::string& checkpoint) {
  guarded([&] { minimoe::load_weights(checkpoint, impl_->model); });
}

std::vector<std::int32_t> Model::sample(const std::vector<std::int32_t>& prompt, const std::string& options) const {
  return guarded([&] {
    const json parsed = json::parse(options);
    minimoe::SampleOptions o;
    o.max_new_tokens = parsed.value("max_new_tokens", o.max_new_tokens);
    o.temperature = parsed.value("temperature", o.temperature);
    o.top_k = parsed.value("top_k", o.top_k);
    o.seed = parsed.value("seed", o.seed);
    o.stop_token = parsed.value("stop_token", o.stop_token);
    return minimoe::sample_tokens(impl_->exec, impl_->model, prompt, o);
  });
}

std::vector<ProbeScore> Model::answer_probes(const Dataset& dataset, const std::string& split,
                                             std::size_t max_count) const {
  return guarded([&] {
    struct Questions {
      std::vector<std::vector<std::int32_t>> prompts, answers;
      std::uint64_t skipped = 0;
    };
    std::map<std::string, Questions> kinds;
    const std::size_t context = impl_->model.config().max_seq_len;
    for (minimoe::Probe& probe : dataset.impl_->source->probes(minimoe::split_from_name(split), max_count)) {
      Questions& questions = kinds[probe.kind];
      if (probe.prompt.size() + probe.answer.size() > context) {
        ++questions.skipped;
        continue;
      }
      questions.prompts.push_back(std::move(probe.prompt));
      questions.answers.push_back(std::move(probe.answer));
    }
    std::vector<ProbeScore> scores;
    for (const auto& [kind, questions] : kinds) {
      const std::size_t asked = questions.prompts.size();
      const std::size_t correct =
          asked == 0 ? 0
                     : minimoe::count_exact_answers(impl_->exec, impl_->model, questions.prompts, questions.answers);
      scores.push_back({kind, correct, asked, questions.skipped});
    }
    return scores;
  });
}

struct Trainer::Impl {
  Impl(std::shared_ptr<Model::Impl> m, std::shared_ptr<Dataset::Impl> d, const minimoe::RunConfig& c)
      : model(std::move(m)),
        dataset(std::move(d)),
        config(c),
        batches(*dataset->source, config.train.seed, config.train.accumulation_steps),
        trainer(model->model, config.train, batches, model->exec) {}

  std::shared_ptr<Model::Impl> model;
  std::shared_ptr<Dataset::Impl> dataset;
  minimoe::RunConfig config;
  minimoe::TrainBatches batches;
  minimoe::Trainer<float> trainer;

  std::vector<LayerRouting> layers(const std::vector<minimoe::RoutingStats>& stats) const {
    std::vector<LayerRouting> out;
    for (std::size_t i = 0; i < stats.size(); ++i) {
      LayerRouting layer;
      layer.block = config.model.moe_layers[i];
      layer.load = stats[i].load;
      layer.dropped = stats[i].dropped;
      layer.num_tokens = stats[i].num_tokens;
      double weights = 0;
      for (const double w : stats[i].gate_weight_sum) weights += w;
      const double tokens = static_cast<double>(stats[i].num_tokens);
      for (const double p : stats[i].prob_sum) layer.mean_probs.push_back(tokens > 0 ? p / tokens : 0);
      for (const double w : stats[i].gate_weight_sum) layer.gate_mass.push_back(weights > 0 ? w / weights : 0);
      out.push_back(std::move(layer));
    }
    return out;
  }
};

Trainer::Trainer(const Model& model, const Dataset& dataset, const std::string& config) {
  guarded([&] { impl_ = std::make_shared<Impl>(model.impl_, dataset.impl_, minimoe::parse_run_config(config)); });
}

std::int64_t Trainer::step() const { return impl_->trainer.step(); }

std::vector<StepMetrics> Trainer::steps(std::int64_t max_steps, const CancelToken* cancel) {
  return guarded([&] {
    std::vector<StepMetrics> metrics;
    minimoe::Trainer<float>& trainer = impl_->trainer;
    for (std::int64_t i = 0; i < max_steps; ++i) {
      if (trainer.step() >= impl_->config.train.steps || (cancel && cancel->fired())) break;
      const minimoe::StepMetrics& m = trainer.train_step();
      metrics.push_back(
          {m.step, m.loss, m.aux_loss, m.z_loss, m.total_loss, m.learning_rate, m.gradient_norm, m.num_tokens});
    }
    return metrics;
  });
}

std::vector<LayerRouting> Trainer::routing() const {
  return guarded([&] { return impl_->layers(impl_->trainer.routing()); });
}

Evaluation Trainer::evaluate(const std::string& split, std::uint64_t max_windows) {
  return guarded([&] {
    const minimoe::TrainConfig& train = impl_->config.train;
    const minimoe::EvalBatches batches(*impl_->dataset->source, minimoe::split_from_name(split), train.seq_len,
                                       max_windows);
    const minimoe::EvalResult result = impl_->trainer.evaluate(batches, batches.num_batches(train.batch_size));
    return Evaluation{result.loss, result.num_targets, batches.num_windows(), impl_->layers(result.routing)};
  });
}

void Trainer::save(const std::string& path) {
  guarded([&] { minimoe::save_checkpoint(path, impl_->config, impl_->model->model, impl_->trainer); });
}

void Trainer::resume(const std::string& path) {
  guarded([&] { minimoe::resume_checkpoint(path, impl_->model->model, impl_->trainer); });
}

}  // namespace cli::core
