// SPDX-License-Identifier: Apache-2.0
#include "bench_models.hpp"

#include <algorithm>
#include <random>

namespace cli {

namespace {

constexpr std::size_t kSteps = 8;
constexpr double kAuxWeight = 0.01;  // the peer adds 0.01 times the SUM over layers, we scale the mean

}  // namespace

Json bench_config(const std::string& size, bool moe) {
  const bool lab = size == "lab";
  const std::size_t num_layers = lab ? 2 : 4;
  Json moe_layers = Json::array();
  if (moe && lab) moe_layers = {1};
  if (moe && !lab) moe_layers = {0, 1, 2, 3};
  const std::size_t seq_len = lab ? 64 : 256;
  const Json model = {
      {"preset", "gpt2"},
      {"vocab_size", lab ? 256 : 8192},
      {"max_seq_len", seq_len},
      {"num_layers", num_layers},
      {"d_model", lab ? 64 : 512},
      {"num_heads", lab ? 4 : 8},
      {"d_ff", lab ? 256 : 2048},
      {"tied_embeddings", false},
      {"moe",
       {{"layers", moe_layers},
        {"num_experts", lab ? 4 : 8},
        {"top_k", 2},
        {"d_expert", lab ? 256 : 1024},
        {"aux_loss_coef", kAuxWeight * static_cast<double>(std::max<std::size_t>(1, moe_layers.size()))}}}};
  const Json train = {{"batch_size", lab ? 16 : 8}, {"seq_len", seq_len}, {"learning_rate", 1e-4},
                      {"schedule", "constant"},     {"warmup_steps", 0},  {"min_learning_rate", 1e-4},
                      {"weight_decay", 0.01},       {"beta1", 0.9},       {"beta2", 0.999},
                      {"clip_norm", 0.0},           {"seed", 0}};
  return {{"model", model}, {"train", train}};
}

// The generator's numbers are those of the C++ standard.
capi::Dataset random_tokens(const Json& config) {
  const std::int32_t vocab_size = config.at("model").at("vocab_size");
  const Json& train = config.at("train");
  const std::size_t step = train.at("batch_size").get<std::size_t>() * (train.at("seq_len").get<std::size_t>() + 1) *
                           train.at("accumulation_steps").get<std::size_t>();
  std::mt19937_64 random;
  std::vector<std::int32_t> tokens(kSteps * step);
  for (std::int32_t& token : tokens)
    token = static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(vocab_size));
  capi::Dataset dataset =
      capi::Dataset::create(json_text({{"vocab_size", vocab_size}, {"val_fraction", 0}, {"name", "random"}}));
  dataset.append(tokens);
  return dataset;
}

}  // namespace cli
