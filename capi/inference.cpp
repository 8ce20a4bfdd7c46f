// SPDX-License-Identifier: Apache-2.0
// What a model answers: logits, continuations, probes.
#include <map>
#include <minimoe/model/sampler.hpp>

#include "cancel.hpp"
#include "core/json_writer.hpp"
#include "dataset.hpp"
#include "forward_arguments.hpp"
#include "json_options.hpp"
#include "token_stream.hpp"

namespace minimoe::capi {

void check_forward(const char* where, const ForwardArguments& a, const ModelConfig& config) {
  const std::size_t num_tokens = a.tokens.size();
  if (a.seq_len == 0 || a.seq_len > config.max_seq_len) {
    fail(MINIMOE_E_INVALID_ARGUMENT, where, ": seq_len is ", a.seq_len, ", expected 1..", config.max_seq_len);
  }
  if (num_tokens > kMaxTokens) {
    fail(MINIMOE_E_SHAPE, where, ": num_tokens is ", num_tokens, ", expected at most ", kMaxTokens);
  }
  if (num_tokens % a.seq_len != 0) {
    fail(MINIMOE_E_SHAPE, where, ": num_tokens is ", num_tokens, ", expected a multiple of seq_len (", a.seq_len, ")");
  }
  if (!a.valid.empty() && a.valid.size() != num_tokens) {
    fail(MINIMOE_E_SHAPE, where, ": num_valid is ", a.valid.size(), ", expected num_tokens (", num_tokens, ") or 0");
  }
}

WorkspacePool<ModelWorkspace>::Loan forward(const minimoe_model& model, const ForwardArguments& a) {
  const std::size_t num_tokens = a.tokens.size();
  auto work = model.workspaces.lend();
  TokenBatch batch;
  batch.tokens = {a.tokens.data(), {num_tokens}};
  if (!a.valid.empty()) batch.valid = {a.valid.data(), {num_tokens}};
  batch.batch_size = num_tokens / a.seq_len;
  batch.seq_len = a.seq_len;
  work->grow(model.config.model, batch.batch_size, a.seq_len);
  model.model.forward(work->exec, batch, false, work->cache);
  return work;
}

namespace {

void write_logits(const minimoe_model& model, const ForwardArguments& a, const Output<float>& out) {
  const std::size_t count = a.tokens.size() * model.config.model.vocab_size;
  out.reserve(count);
  if (count == 0) return out.set_needed(0);
  const auto work = forward(model, a);
  out.write({work->cache.logits_TV.data(), count});
}

}  // namespace

GenerateOptions parse_generate_options(const char* where, const char* json, std::size_t json_len,
                                       const ModelConfig& config, WhenFull when_full) {
  GenerateOptions options;
  bool pack_weights = false;
  std::string full = when_full == WhenFull::kSlide ? "slide" : "stop";
  JsonOptions read(where, "json", input_json(where, json, json_len));
  read.integer("max_new_tokens", options.max_new_tokens, 0, std::int64_t{1} << 24);
  read.real("temperature", options.temperature, 0, 1e6);
  read.integer("top_k", options.top_k, 0, static_cast<std::int64_t>(config.vocab_size));
  read.real("top_p", options.top_p, 0, 1);
  read.integer("seed", options.seed, 0, std::numeric_limits<std::uint64_t>::max());
  read.integer("stop_token", options.stop_token, -1, static_cast<std::int64_t>(config.vocab_size) - 1);
  read.text("when_full", full);
  read.boolean("pack_weights", pack_weights);
  if (read.has("pack_weights")) options.pack_weights = pack_weights;
  read.finish();
  require(full == "slide" || full == "stop", where, ": json: when_full: \"", full,
          "\", expected \"slide\" or \"stop\"");
  options.when_full = full == "slide" ? WhenFull::kSlide : WhenFull::kStop;
  return options;
}

std::shared_ptr<const PackedWeights<float>> packed_weights(const minimoe_model& model, const GenerateOptions& options) {
  constexpr std::size_t kWorthTokens = 64, kUnaskedBytes = std::size_t{1} << 30;
  const ModelConfig& config = model.config.model;
  const bool limited = !config.moe_layers.empty() && config.moe.eval_capacity_factor > 0;  // computes whole texts
  if (limited || !options.pack_weights.value_or(options.max_new_tokens >= kWorthTokens)) return nullptr;
  const auto work = model.workspaces.lend();
  if (work->exec.matmul_backend() != MatmulBackend::kNative) return nullptr;
  const bool small =
      PackedWeights<float>::memory_bytes(work->exec, linear_weights(model.parameters, config)) <= kUnaskedBytes;
  return options.pack_weights || small ? model.packed_weights.get(model, work->exec) : nullptr;
}

namespace {

struct Questions {
  std::vector<std::vector<std::int32_t>> prompts, answers;
  std::uint64_t skipped = 0;
};

std::map<std::string, Questions> questions_by_kind(const TokenSource& source, Split split, std::size_t max_count,
                                                   const ModelConfig& config) {
  require(source.vocab_size() <= config.vocab_size, "minimoe_model_answer_probes: the dataset has ",
          source.vocab_size(), " token ids, the model ", config.vocab_size);
  std::map<std::string, Questions> kinds;
  for (Probe& probe : source.probes(split, max_count)) {
    Questions& questions = kinds[probe.kind];
    if (probe.prompt.size() + probe.answer.size() > config.max_seq_len) {
      ++questions.skipped;
      continue;
    }
    questions.prompts.push_back(std::move(probe.prompt));
    questions.answers.push_back(std::move(probe.answer));
  }
  return kinds;
}

// With `correct` absent, the longest text that it can become.
std::string score_text(const std::map<std::string, Questions>& kinds, const std::vector<std::uint64_t>* correct) {
  JsonWriter scores;
  scores.begin('[');
  std::size_t i = 0;
  for (const auto& [kind, questions] : kinds) {
    const std::uint64_t asked = questions.prompts.size();
    scores.begin('{').member("kind", kind).member("correct", correct ? (*correct)[i++] : asked);
    scores.member("asked", asked).member("skipped", questions.skipped).end('}');
  }
  return scores.end(']').text();
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_model_forward(const minimoe_model* model, const int32_t* tokens, size_t num_tokens,
                                     const uint8_t* valid, size_t num_valid, size_t seq_len, float* values,
                                     size_t values_cap, size_t* values_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Output<float> out(where, "values", values, values_cap, values_needed);
    const ForwardArguments arguments{input(where, "tokens", tokens, num_tokens),
                                     input(where, "valid", valid, num_valid), seq_len};
    const Reading<minimoe_model> reading(where, "model", model);
    check_forward(where, arguments, reading->config.model);
    write_logits(*reading, arguments, out);
  });
}

minimoe_status minimoe_model_generate(const minimoe_model* model, const int32_t* tokens, size_t num_tokens,
                                      const char* json, size_t json_len, minimoe_cancel_token* cancel, int32_t* ids,
                                      size_t ids_cap, size_t* ids_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Output<std::int32_t> out(where, "ids", ids, ids_cap, ids_needed);
    const auto prompt = input(where, "tokens", tokens, num_tokens);
    const Reading<minimoe_model> reading(where, "model", model);
    const OptionalCancel token(where, cancel);
    const auto options =
        parse_generate_options(where, json, json_len, reading->config.model, minimoe::WhenFull::kSlide);
    out.reserve(options.max_new_tokens);
    auto packed = packed_weights(*reading, options);
    const auto work = reading->workspaces.lend();
    out.write(minimoe::sample_tokens(work->exec, reading->model, {prompt.begin(), prompt.end()}, options, token.flag(),
                                     reading->options.resource(), std::move(packed)));
  });
}

minimoe_status minimoe_model_answer_probes(const minimoe_model* model, const minimoe_dataset* dataset,
                                           const char* split, size_t max_count, minimoe_cancel_token* cancel, char* buf,
                                           size_t buf_cap, size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_model> reading(where, "model", model);
    const Reading<minimoe_dataset> data(where, "dataset", dataset);
    const OptionalCancel token(where, cancel);
    const auto which = input_split(where, split);
    const auto kinds = questions_by_kind(data->source(), which, max_count, reading->config.model);
    out.reserve(score_text(kinds, nullptr).size() + 1);
    std::vector<std::uint64_t> correct;
    const auto work = reading->workspaces.lend();
    for (const auto& [kind, questions] : kinds) {
      correct.push_back(minimoe::count_exact_answers(work->exec, reading->model, questions.prompts, questions.answers,
                                                     token.flag(), reading->options.resource()));
    }
    out.write(score_text(kinds, &correct));
  });
}
