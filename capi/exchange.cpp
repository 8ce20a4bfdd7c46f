// SPDX-License-Identifier: Apache-2.0
// Models in and out of other programs' formats.
#include <filesystem>
#include <minimoe/exchange/gguf.hpp>
#include <minimoe/exchange/hugging_face.hpp>
#include <minimoe/exchange/logits_file.hpp>
#include <minimoe/exchange/tokenizer_json.hpp>
#include <minimoe/model/upcycling.hpp>

#include "data/bpe/tokenizer_json.hpp"
#include "data/file/read_file.hpp"
#include "dataset.hpp"
#include "exchange/hf_tensors.hpp"
#include "forward_arguments.hpp"
#include "json_options.hpp"
#include "train/config_fields.hpp"

namespace minimoe::capi {
namespace {

RunConfig config_of_import(const ModelConfig& model) {
  RunConfig config;
  config.model = model;
  config.data.corpus = "imported";  // there is no data to it, and no other must be taken for it
  config.train.seq_len = std::min(config.train.seq_len, model.max_seq_len);
  // What a file of ours could not hold must be refused before there is a model of it.
  return parse_run_config(run_config_json(config));
}

UpcyclingOptions upcycling_options(const char* where, const std::string& json, std::uint64_t& seed) {
  UpcyclingOptions options;
  std::string order = "softmax_topk_renorm";
  JsonOptions read(where, "json", json);
  read.integer("num_experts", options.num_experts, 0, 4096);
  read.integer("top_k", options.top_k, 0, 4096);
  read.integers("layers", options.layers, 1023, 1024);
  read.text("gate_order", order);
  read.real("router_init_std", options.router_init_std, 0, 1e6);
  read.integer("seed", seed, 0, ~std::uint64_t{0});
  read.finish();
  const auto& names = config::kGateOrderNames;
  const auto* const found = std::find_if(std::begin(names), std::end(names),
                                         [&](const auto& n) { return order == n.name && n.value != GateOrder::kAuto; });
  require(found != std::end(names), where, ": json: gate_order: ", in_quotes(order),
          ", allowed softmax_topk_renorm, topk_softmax, sigmoid_topk_renorm");
  options.gate_order = found->value;
  return options;
}

struct ExportOptions {
  std::string format = "hf", tokenizer;
  bool check = false;
};

ExportOptions export_options(const char* where, const std::string& json) {
  ExportOptions options;
  JsonOptions read(where, "json", json);
  read.text("format", options.format);
  read.text("tokenizer", options.tokenizer);
  read.boolean("check", options.check);
  read.finish();
  require(options.format == "hf" || options.format == "gguf", where, ": json: format: ", in_quotes(options.format),
          ", allowed \"hf\", \"gguf\"");
  require(options.tokenizer.empty() || options.format == "gguf", where, ": json: tokenizer is for format \"gguf\"");
  return options;
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_model_import(const char* path, const minimoe_options* options, minimoe_model** out,
                                    minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "out", out);
    const std::string from = input_name(where, "path", path);
    const auto load = [&](const auto& saved) {
      auto model = make_model(where, config_of_import(saved.config()), options, StartValues::kZero);
      saved.load_weights(model->model);
      model->options.log(MINIMOE_LOG_INFO, "model: imported ", from);
      *out = model.release();
    };
    std::error_code error;
    const auto kind = std::filesystem::status(from, error).type();
    const bool nothing = kind == std::filesystem::file_type::not_found;
    if (kind == std::filesystem::file_type::regular || (nothing && from.ends_with(".gguf"))) {
      load(minimoe::GgufModel(from));
    } else {
      load(minimoe::HuggingFaceModel(from));
    }
  });
}

minimoe_status minimoe_model_export(const minimoe_model* model, const char* json, size_t json_len, const char* path,
                                    minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const std::string to = input_name(where, "path", path);
    const ExportOptions options = export_options(where, input_json(where, json, json_len));
    std::string vocabulary;
    if (!options.tokenizer.empty()) {
      vocabulary = minimoe::read_file(options.tokenizer, nullptr, minimoe::kMaxTokenizerBytes).view();
    }
    const Reading<minimoe_model> reading(where, "model", model);
    if (options.check) {
      const minimoe::ModelConfig& config = reading->config.model;
      const bool bias =
          has_expert_bias(reading->parameters) || (!config.moe_layers.empty() && config.moe.bias_balancing);
      options.format == "gguf" ? minimoe::gguf_architecture(config, bias) : minimoe::hugging_face_type(config, bias);
      if (options.format == "gguf") minimoe::check_gguf(config, reading->parameters);
      return;
    }
    if (options.format == "gguf") {
      minimoe::export_gguf(to, reading->config.model, reading->parameters, vocabulary, options.tokenizer);
    } else {
      minimoe::export_hugging_face(to, reading->config.model, reading->parameters);
    }
    reading->options.log(MINIMOE_LOG_INFO, "model: exported ", to);
  });
}

minimoe_status minimoe_model_write_logits(const minimoe_model* model, const int32_t* tokens, size_t num_tokens,
                                          size_t seq_len, const char* json, size_t json_len, const char* path,
                                          minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const ForwardArguments arguments{input(where, "tokens", tokens, num_tokens), {}, seq_len};
    const std::string file = input_name(where, "path", path);
    minimoe::LogitsOptions options;
    JsonOptions read(where, "json", input_json(where, json, json_len));
    read.boolean("router", options.router);
    read.boolean("gradients", options.gradients);
    read.finish();
    const Reading<minimoe_model> reading(where, "model", model);
    check_forward(where, arguments, reading->config.model);
    const auto work = reading->workspaces.lend();
    minimoe::write_logits(file, work->exec, reading->model, reading->parameters,
                          {arguments.tokens.begin(), arguments.tokens.end()}, seq_len, options,
                          reading->options.resource());
    reading->options.log(MINIMOE_LOG_INFO, "model: wrote ", file);
  });
}

minimoe_status minimoe_dataset_tokenizer(const minimoe_dataset* dataset, char* buf, size_t buf_cap, size_t* buf_needed,
                                         minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_dataset> reading(where, "dataset", dataset);
    out.write(minimoe::tokenizer_json(reading->source()));
  });
}

minimoe_status minimoe_model_upcycle(const minimoe_model* model, const char* json, size_t json_len,
                                     const minimoe_options* options, minimoe_model** out, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "out", out);
    const std::string text = input_json(where, json, json_len);
    const Reading<minimoe_model> reading(where, "model", model);
    minimoe::RunConfig config = reading->config;
    std::uint64_t seed = config.train.seed;
    config.model = minimoe::upcycled_config(config.model, upcycling_options(where, text, seed));
    // As in minimoe_model_import: the limits of a file of ours hold.
    auto made =
        make_model(where, minimoe::parse_run_config(minimoe::run_config_json(config)), options, StartValues::kZero);
    minimoe::upcycle_weights(made->model, reading->parameters, seed);
    *out = made.release();
  });
}
