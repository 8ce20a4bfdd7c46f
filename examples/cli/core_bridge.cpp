// SPDX-License-Identifier: Apache-2.0
// The bridge over the C++ core: translates exceptions, JSON and handles, and nothing more.
#include "core_bridge.hpp"

#include <algorithm>
#include <map>
#include <minimoe/core/error.hpp>
#include <minimoe/core/random.hpp>
#include <minimoe/data/grammar_corpus.hpp>
#include <minimoe/model/sampler.hpp>
#include <minimoe/train/checkpoint.hpp>
#include <minimoe/train/run_config.hpp>
#include <minimoe/train/token_batches.hpp>
#include <new>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace cli::core {

using json = nlohmann::ordered_json;

struct Dataset::Impl {
  std::unique_ptr<minimoe::TokenSource> source;
};

struct Model::Impl {
  Impl(const minimoe::ModelConfig& config, const minimoe::ExecOptions& options) : exec(options), model(config) {}
  minimoe::Exec exec;
  minimoe::MiniGPT<float> model;
};

namespace {

// Runs `body`; whatever it throws leaves as a Failure.
template <class Body>
auto guarded(Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const minimoe::Error& error) {
    throw Failure(static_cast<Status>(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    throw Failure(Status::kOutOfMemory, "out of memory");
  } catch (const std::length_error&) {
    throw Failure(Status::kOutOfMemory, "out of memory");
  } catch (const std::exception& error) {
    throw Failure(Status::kInternal, error.what());
  }
}

minimoe::ExecOptions parse_exec(const std::string& exec) {
  const json parsed = json::parse(exec);
  minimoe::ExecOptions options;
  options.num_threads = parsed.value("num_threads", 0);
  options.instruction_set = minimoe::instruction_set_from_name(parsed.value("instruction_set", "auto"));
  return options;
}

using Tokens = std::span<std::int32_t>;
using Classes = std::span<std::uint8_t>;

// Drawn once, so that a benchmark times no drawing.
class RandomTokens final : public minimoe::TokenSource {
 public:
  RandomTokens(std::size_t vocab_size, std::uint64_t num_windows, std::size_t seq_len, std::uint64_t seed)
      : vocab_size_(vocab_size), num_windows_(num_windows), tokens_(num_windows * (seq_len + 1)) {
    const minimoe::RandomStream stream(seed, "bench.tokens");
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      tokens_[i] = static_cast<std::int32_t>(stream.below(i, vocab_size));
    }
  }

  std::size_t vocab_size() const override { return vocab_size_; }
  std::string token_text(std::int32_t token) const override { return std::to_string(token); }
  std::vector<std::int32_t> encode(const std::string&) const override { return {}; }
  std::string decode(std::span<const std::int32_t>) const override { return {}; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  void train_window(std::uint64_t, std::uint64_t index, Tokens tokens, Classes) const override {
    std::copy_n(tokens_.begin() + static_cast<std::ptrdiff_t>(index % num_windows_ * tokens.size()), tokens.size(),
                tokens.begin());
  }
  std::uint64_t num_eval_windows(minimoe::Split, std::size_t) const override { return 0; }
  void eval_window(minimoe::Split, std::uint64_t, Tokens, Classes) const override {}
  std::optional<double> entropy_floor(minimoe::Split, std::size_t, std::uint64_t) const override { return {}; }
  std::vector<minimoe::Probe> probes(minimoe::Split, std::size_t) const override { return {}; }
  std::string sha256() const override { return {}; }
  std::string name() const override { return "random"; }
  std::size_t memory_bytes() const override { return tokens_.size() * sizeof(tokens_[0]); }

 private:
  std::size_t vocab_size_;
  std::uint64_t num_windows_;
  std::vector<std::int32_t> tokens_;
  std::vector<std::string> class_names_;
};

Window sized_window(const minimoe::TokenSource& source, std::size_t seq_len) {
  Window window;
  window.tokens.resize(seq_len + 1);
  if (!source.class_names().empty()) window.classes.resize(seq_len + 1);
  return window;
}

}  // namespace

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

std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates) {
  return guarded([&] { return minimoe::nearest_word(word, candidates); });
}

std::string lab_config() {
  return guarded([] { return minimoe::run_config_json(minimoe::lab_preset()); });
}

std::string resolve_config(const std::string& config) {
  return guarded([&] {
    const minimoe::RunConfig parsed = minimoe::parse_run_config(config);
    minimoe::require_no_problems(parsed.problems());
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

Dataset Dataset::open(const std::string& config) {
  return guarded([&] {
    const minimoe::RunConfig parsed = minimoe::parse_run_config(config);
    return Dataset(std::make_shared<Impl>(Impl{minimoe::open_token_source(parsed.data)}));
  });
}

Dataset Dataset::random_tokens(std::size_t vocab_size, std::uint64_t num_windows, std::size_t seq_len,
                               std::uint64_t seed) {
  return guarded([&] {
    return Dataset(
        std::make_shared<Impl>(Impl{std::make_unique<RandomTokens>(vocab_size, num_windows, seq_len, seed)}));
  });
}

std::string Dataset::info() const {
  return guarded([&] {
    const minimoe::TokenSource& source = *impl_->source;
    return json{{"name", source.name()},
                {"sha256", source.sha256()},
                {"vocab_size", source.vocab_size()},
                {"class_names", source.class_names()},
                {"memory_bytes", source.memory_bytes()}}
        .dump();
  });
}

std::string Dataset::fit_config(const std::string& config) const {
  return guarded([&] {
    minimoe::RunConfig parsed = minimoe::parse_run_config(config);
    const minimoe::TokenSource& source = *impl_->source;
    if (parsed.model.vocab_size == 0) parsed.model.vocab_size = source.vocab_size();
    minimoe::require(parsed.model.vocab_size >= source.vocab_size(), "model.vocab_size: ", parsed.model.vocab_size,
                     ", but ", source.name(), " has token ids up to ", source.vocab_size() - 1,
                     "; use 0 (that of the data) or at least ", source.vocab_size());
    minimoe::require_no_problems(parsed.problems());
    Window window = sized_window(source, parsed.train.seq_len);
    source.train_window(parsed.train.seed, 0, window.tokens, window.classes);
    return minimoe::run_config_json(parsed);
  });
}

std::string Dataset::token_text(std::int32_t token) const {
  return guarded([&] { return impl_->source->token_text(token); });
}

std::vector<std::int32_t> Dataset::encode(const std::string& text) const {
  return guarded([&] { return impl_->source->encode(text); });
}

std::string Dataset::decode(const std::vector<std::int32_t>& tokens) const {
  return guarded([&] { return impl_->source->decode(tokens); });
}

const std::vector<std::string>& Dataset::splits() {
  using minimoe::Split;
  static const std::vector<std::string> names = {minimoe::split_name(Split::kTrain), minimoe::split_name(Split::kVal),
                                                 minimoe::split_name(Split::kHeldOutVerbs),
                                                 minimoe::split_name(Split::kHeldOutCombinations)};
  return names;
}

std::uint64_t Dataset::num_eval_windows(const std::string& split, std::size_t seq_len) const {
  return guarded([&]() -> std::uint64_t {
    const minimoe::Split which = minimoe::split_from_name(split);
    return which == minimoe::Split::kTrain ? 0 : impl_->source->num_eval_windows(which, seq_len);
  });
}

Window Dataset::train_window(std::uint64_t seed, std::uint64_t index, std::size_t seq_len) const {
  return guarded([&] {
    Window window = sized_window(*impl_->source, seq_len);
    impl_->source->train_window(seed, index, window.tokens, window.classes);
    return window;
  });
}

Window Dataset::eval_window(const std::string& split, std::uint64_t index, std::size_t seq_len) const {
  return guarded([&] {
    const minimoe::TokenSource& source = *impl_->source;
    const minimoe::Split which = minimoe::split_from_name(split);
    const std::uint64_t count = source.num_eval_windows(which, seq_len);
    minimoe::require(index < count, "index ", index, " is outside the ", count, " windows of ", seq_len,
                     " tokens that split ", split, " of ", source.name(), " has");
    Window window = sized_window(source, seq_len);
    source.eval_window(which, index, window.tokens, window.classes);
    return window;
  });
}

std::optional<Sentence> Dataset::sentence(const std::string& split, std::uint64_t index, std::uint64_t seed) const {
  return guarded([&]() -> std::optional<Sentence> {
    const auto* grammar = dynamic_cast<const minimoe::GrammarCorpus*>(impl_->source.get());
    if (!grammar) return std::nullopt;
    minimoe::GrammarSentence s = grammar->sentence(minimoe::split_from_name(split), index, seed);
    return Sentence{std::move(s.tokens), std::move(s.classes), std::move(s.kind)};
  });
}

std::optional<double> Dataset::entropy_floor(const std::string& split, std::size_t seq_len,
                                             std::uint64_t num_windows) const {
  return guarded([&] { return impl_->source->entropy_floor(minimoe::split_from_name(split), seq_len, num_windows); });
}

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
      for (const double w : stats[i].gate_weight_sum) layer.gate_weight_share.push_back(weights > 0 ? w / weights : 0);
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
