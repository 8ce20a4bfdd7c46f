// SPDX-License-Identifier: Apache-2.0
// What the experts of a trained model divide by.
#include <minimoe/analysis/layerwise_report.hpp>
#include <minimoe/exchange/hugging_face.hpp>

#include "cancel.hpp"
#include "dataset.hpp"
#include "json_options.hpp"
#include "model.hpp"
#include "window_choice.hpp"

namespace minimoe::capi {
namespace {

constexpr std::uint64_t kMostDraws = 100000;

SpecialisationOptions parse_options(JsonOptions& read) {
  SpecialisationOptions options;
  read.integer("seed", options.seed, 0, std::numeric_limits<std::uint64_t>::max());
  read.integer("num_permutations", options.num_permutations, 1, kMostDraws);
  read.integer("num_bootstrap", options.num_bootstrap, 1, kMostDraws);
  read.integer("num_tables", options.num_tables, 1, kMostDraws);
  read.integer("num_routers", options.num_routers, 0, kMostDraws);
  read.integer("num_word_shuffles", options.num_word_shuffles, 1, kMostDraws);
  read.integer("min_class_tokens", options.min_class_tokens, 0, std::uint64_t{1} << 32);
  return options;
}

// More than any report has: 32 bytes a number, and texts of bounded length.
std::size_t report_bound(const TokenSource& source, const ModelConfig& config) {
  constexpr std::size_t kFixed = 8192, kFrequencies = 20, kGroup = 256, kNumber = 32;
  const std::size_t num_experts = config.moe.num_experts;
  std::size_t names = 0;
  for (const std::string& name : source.class_names()) names += 6 * name.size();
  const std::size_t num_groups = std::max(source.class_names().size(), kFrequencies) + kFrequencies;
  const std::size_t layer = kFixed + num_groups * (kGroup + 2 * num_experts * kNumber) +
                            (1 + config.moe.top_k) * num_experts * kNumber + 4 * names;
  return kFixed + 12 * source.name().size() + names + config.moe_layers.size() * layer;
}

// Likewise of a health report: its figures are numbers, a few of them per expert.
std::size_t health_bound(const ModelConfig& config) {
  return 16384 + config.moe_layers.size() * (32768 + 512 * config.moe.num_experts);
}

/// @param json as in minimoe.h
WindowChoice parse_hf_windows(JsonOptions& read, Split split, const ModelConfig& config) {
  WindowChoice choice;
  choice.split = split;
  choice.max_windows = 64;
  choice.seq_len = std::min<std::size_t>(256, config.max_seq_len);
  choice.batch_size = 4;
  read.integer("max_windows", choice.max_windows, 0, std::uint64_t{1} << 32);
  read.integer("seq_len", choice.seq_len, 1, config.max_seq_len);
  read.integer("batch_size", choice.batch_size, 1, 65536);
  return choice;
}

std::string layerwise_json(const LayerwiseReport& report) {
  return concat("{\"specialisation\":", specialisation_json(report.specialisation),
                ",\"health\":", health_json(report.health), '}');
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_model_specialisation(const minimoe_model* model, const minimoe_dataset* dataset,
                                            const char* split, const char* json, size_t json_len,
                                            minimoe_cancel_token* cancel, char* buf, size_t buf_cap, size_t* buf_needed,
                                            minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_model> reading(where, "model", model);
    const Reading<minimoe_dataset> data(where, "dataset", dataset);
    const OptionalCancel token(where, cancel);
    JsonOptions read(where, "json", input_json(where, json, json_len));
    const minimoe::WindowChoice choice = parse_window_choice(read, input_split(where, split), reading->config);
    const minimoe::SpecialisationOptions options = parse_options(read);
    read.finish();
    in_the_name_of(where, [&] {
      minimoe::check_analysable(reading->config.model, data->source(), choice);
      out.reserve(report_bound(data->source(), reading->config.model));
      const auto work = reading->workspaces.lend();
      out.write(minimoe::specialisation_json(minimoe::model_specialisation(
          work->exec, reading->model, data->source(), choice, options, token.flag(), reading->options.resource())));
    });
  });
}

minimoe_status minimoe_hf_analyze(const minimoe_dataset* dataset, const char* path, const char* split, const char* json,
                                  size_t json_len, const minimoe_options* options, minimoe_cancel_token* cancel,
                                  char* buf, size_t buf_cap, size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const std::string directory = input_name(where, "path", path);
    const Options checked_options(where, options);
    const Reading<minimoe_dataset> data(where, "dataset", dataset);
    const OptionalCancel token(where, cancel);
    const std::string text = input_json(where, json, json_len);
    const minimoe::Split chosen_split = input_split(where, split);
    const minimoe::HuggingFaceModel saved(directory);
    JsonOptions read(where, "json", text);
    const minimoe::WindowChoice choice = parse_hf_windows(read, chosen_split, saved.config());
    const minimoe::SpecialisationOptions specialisation = parse_options(read);
    read.finish();
    in_the_name_of(where, [&] {
      minimoe::check_analysable(saved.config(), data->source(), choice);
      out.reserve(report_bound(data->source(), saved.config()) + health_bound(saved.config()));
      minimoe::Exec exec(checked_options.exec());
      const minimoe::WeightReader weights{
          [&](const minimoe::ParameterList<float>& parameters) { saved.load_parameters(parameters); },
          [&](std::int32_t id, float* row) { saved.load_embedding(id, row); }};
      out.write(layerwise_json(minimoe::layerwise_report(exec, saved.config(), weights, data->source(), choice,
                                                         specialisation, token.flag(), checked_options.resource())));
    });
  });
}
