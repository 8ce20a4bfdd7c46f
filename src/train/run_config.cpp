// SPDX-License-Identifier: Apache-2.0
#include "minimoe/train/run_config.hpp"

#include <set>

#include "data/file/bpe_source.hpp"
#include "train/config_check.hpp"

namespace minimoe {
namespace {

// In double: the factors may be anything up to the ends of their ranges.
double parameter_count(const ModelConfig& m) {
  const auto real = [](std::size_t n) { return static_cast<double>(n); };
  const double width = real(m.d_model);
  const double moe_layers = std::min(real(m.moe_layers.size()), real(m.num_layers));
  const double experts = real(m.moe.num_experts) + real(m.moe.num_shared_experts);
  return width * (2 * real(m.vocab_size) + real(m.max_seq_len)) +
         width * (4 * width * real(m.num_layers) + 3 * real(m.d_ff) * (real(m.num_layers) - moe_layers) +
                  (3 * experts * real(m.moe.d_expert) + real(m.moe.num_experts)) * moe_layers);
}

double activation_count(const ModelConfig& m, const TrainConfig& t) {
  const auto real = [](std::size_t n) { return static_cast<double>(n); };
  const double per_expert = real(m.moe.top_k) + real(m.moe.num_shared_experts);
  const double per_layer = 20 * real(m.d_model) + 4 * std::max(real(m.d_ff), per_expert * real(m.moe.d_expert)) +
                           8 * real(m.moe.num_experts);
  return real(t.batch_size) * real(t.seq_len) * (real(m.vocab_size) + real(m.num_layers) * per_layer);
}

}  // namespace

std::vector<std::string> DataConfig::problems() const {
  config::FieldChecker checker("data");
  config::visit_data_fields(checker, *this);
  std::vector<std::string> more;
  if (corpus == "grammar") {
    if (languages.empty()) more.push_back("data.languages: an empty list, allowed at least one of en | es");
    if (std::set<std::string>(languages.begin(), languages.end()).size() != languages.size()) {
      more.push_back("data.languages: a language stands there twice, allowed each of en | es once");
    }
    if (tokenizer != "auto") {
      more.push_back(
          concat("data.tokenizer: ", in_quotes(tokenizer), ", the grammar corpus has its own: allowed auto"));
    }
  }
  try {
    tokenizer_choice(tokenizer);
  } catch (const Error& error) {
    more.push_back(std::string("data.") + error.what());
  }
  config::append_problems(checker.problems, more);
  return std::move(checker.problems);
}

std::vector<std::string> RunConfig::problems() const {
  config::FieldChecker checker("model");
  config::visit_model_fields(checker, model);
  std::vector<std::string> problems = std::move(checker.problems);
  if (problems.empty()) {
    const auto check = [&](const char* what, double count) {
      if (count > config::kMaxElements) {
        problems.push_back(concat(what, count, ", allowed at most ", config::real_text(config::kMaxElements),
                                  " (this many bytes cannot be addressed)"));
      }
    };
    check("model: number of parameters is about ", parameter_count(model));
    check("train.batch_size: activations of a micro-batch are about ", activation_count(model, train));
  }
  ModelConfig sized = model;
  if (sized.vocab_size == 0) sized.vocab_size = 256;  // that of the data; any stands for it here
  sized.num_layers = std::max<std::size_t>(sized.num_layers, 1);
  std::vector<std::string> semantic = sized.problems();
  std::erase_if(semantic, [](const std::string& problem) {  // follow from model.d_model and model.init_std
    return problem.rfind("model.moe.init_std", 0) == 0 || problem.rfind("model.moe.d_model", 0) == 0;
  });
  config::append_problems(problems, semantic);
  config::append_problems(problems, train.problems());
  config::append_problems(problems, data.problems());
  if (train.seq_len > model.max_seq_len) {
    config::append_problems(problems, {concat("train.seq_len: ", train.seq_len, ", allowed at most model.max_seq_len (",
                                              model.max_seq_len, ")")});
  }
  return problems;
}

RunConfig lab_dense_preset() {
  RunConfig config;
  config.model = gpt2_preset();
  config.model.vocab_size = 0;
  config.model.max_seq_len = 64;
  config.model.num_layers = 2;
  config.model.d_model = 64;
  config.model.num_heads = 4;
  config.model.d_ff = 256;
  config.train.seq_len = 64;
  config.train.batch_size = 16;
  return config;
}

RunConfig lab_preset() {
  RunConfig config = lab_dense_preset();
  config.model.moe_layers = {1};
  config.model.moe.num_experts = 4;
  config.model.moe.top_k = 2;
  config.model.moe.d_expert = 256;
  config.model.moe.aux_loss_coef = 0.01;
  return config;
}

}  // namespace minimoe
