// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/layerwise_report.hpp"

#include <filesystem>

#include "analysis/routed_batches.hpp"
#include "minimoe/data/memory_source.hpp"
#include "minimoe/exchange/hugging_face.hpp"
#include "support/catch.hpp"
#include "support/counting_resource.hpp"
#include "support/temporary_directory.hpp"
#include "support/toy_training.hpp"
#include "train/safetensors.hpp"

using namespace minimoe;
using namespace minimoe::test;
using minimoe_test::TemporaryDirectory;

namespace {

ModelConfig llama_toy() {
  ModelConfig config = toy_model(llama_preset());
  config.num_layers = 3;
  config.moe_layers = {0, 1, 2};
  config.num_kv_heads = 1;
  return config;
}

ModelConfig qwen_toy() {
  ModelConfig config = llama_toy();
  config.qk_norm = true;
  config.moe.gate_order = GateOrder::kSoftmaxTopk;
  config.moe_layers = {1, 2};
  return config;
}

ModelConfig ernie_toy() {
  ModelConfig config = llama_toy();
  config.rope_pairing = RopePairing::kInterleaved;
  config.moe_layers = {1, 2};
  config.moe.num_shared_experts = 1;
  config.tied_embeddings = true;
  return config;
}

ModelConfig olmoe_toy() {
  ModelConfig config = llama_toy();
  config.qk_norm = config.qk_norm_full_width = true;
  config.moe.gate_order = GateOrder::kSoftmaxTopk;
  return config;
}

ModelConfig qwen2_toy() {
  ModelConfig config = llama_toy();
  config.attention_bias = true;
  config.attention_output_bias = false;
  config.moe_layers = {0, 2};
  config.moe.num_shared_experts = 2;
  config.moe.shared_expert_gate = true;
  return config;
}

/// Start values, and a selection bias where the type has one.
void write_model(const std::string& directory, const ModelConfig& config) {
  MiniGPT<float> model(config);
  model.initialize(5);
  for (const ParameterRef<float>& p : model.parameters()) {
    for (std::size_t e = 0; config.rope_pairing == RopePairing::kInterleaved && p.role == Role::kBuffer && e < p.size();
         ++e) {
      p.value[e] = 0.01F * static_cast<float>(e);
    }
  }
  export_hugging_face(directory, config, model.parameters());
}

/// The upper halves of the floats.
void make_bfloat16(const std::string& directory) {
  const std::string path = directory + "/model.safetensors";
  std::vector<TensorToWrite> tensors;
  std::vector<std::vector<std::uint16_t>> memory;
  {
    const SafetensorsFile file(path);
    memory.reserve(file.entries().size());
    for (const SafetensorsFile::Entry& entry : file.entries()) {
      std::vector<std::uint32_t> bits((entry.end - entry.begin) / 4);
      file.read(entry, bits.data());
      std::vector<std::uint16_t>& half = memory.emplace_back();
      for (const std::uint32_t b : bits) half.push_back(static_cast<std::uint16_t>(b >> 16));
      tensors.push_back({entry.name, TensorType::kBF16, entry.shape, half.data()});
    }
  }
  write_safetensors(path, std::move(tensors), {});
}

MemorySource some_tokens(bool with_classes) {
  MemorySource source(
      {.vocab_size = 11,
       .val_fraction = 0.5,
       .class_names = with_classes ? std::vector<std::string>{"even", "odd"} : std::vector<std::string>{}});
  const RandomStream stream(3, "tokens");
  std::vector<std::int32_t> tokens(1000);
  std::vector<std::uint8_t> classes;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    tokens[t] = static_cast<std::int32_t>(stream.below(t, 11));
    if (with_classes) classes.push_back(static_cast<std::uint8_t>(tokens[t] % 2));
  }
  source.append(tokens, classes);
  return source;
}

WindowChoice windows(Split split) {
  WindowChoice choice;
  choice.split = split;
  choice.max_windows = 10;
  choice.seq_len = 6;
  choice.batch_size = 4;  // the last batch has two
  return choice;
}

SpecialisationOptions few_draws() {
  SpecialisationOptions options;
  options.num_permutations = options.num_bootstrap = 5;
  options.num_tables = options.num_routers = options.num_word_shuffles = 2;
  return options;
}

WeightReader reader_of(const HuggingFaceModel& saved) {
  return {[&](const ParameterList<float>& parameters) { saved.load_parameters(parameters); },
          [&](std::int32_t token, float* row) { saved.load_embedding(token, row); }};
}

/// What the whole model's routers did on the same batches, summed.
std::vector<RoutingStats> whole_routing(Exec& exec, MiniGPT<float>& model, const TokenSource& source,
                                        const WindowChoice& choice) {
  RoutedBatches<float> batches(exec, model, source, choice, nullptr);
  std::vector<RoutingStats> sums(model.num_moe_layers());
  for (RoutingStats& sum : sums) sum.reset(model.config().moe.num_experts);
  while (batches.next(nullptr)) {
    batches.forward();
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i].add(batches.routing()[i]);
  }
  return sums;
}

void check_health_of(const HealthReport& health, const std::vector<RoutingStats>& sums) {
  REQUIRE(health.layers.size() == sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const RoutingFigures& figures = health.layers[i].figures;
    CHECK(figures.num_steps == 1);
    CHECK(figures.load == sums[i].load);
    double aux = 0;
    for (std::size_t e = 0; e < figures.load.size(); ++e) {
      const double tokens = static_cast<double>(sums[i].num_tokens), share = sums[i].prob_sum[e] / tokens;
      CHECK(figures.mean_probs[e] == Approx(share).epsilon(1e-6));  // rows of floats sum to 1 to that
      aux += share * static_cast<double>(sums[i].load[e]) / tokens;
    }
    CHECK(figures.aux_loss.value() ==
          Approx(aux * static_cast<double>(figures.load.size()) / static_cast<double>(figures.top_k)));
  }
}

}  // namespace

TEST_CASE("layerwise report: is that of the model imported whole, bit for bit, in float32 and bfloat16", "[analysis]") {
  Exec exec(threads(1));
  for (const ModelConfig& config : {llama_toy(), qwen_toy(), ernie_toy(), olmoe_toy(), qwen2_toy()}) {
    const TemporaryDirectory directory;
    const std::string path = directory.file("hf");
    write_model(path, config);
    for (const bool is_half : {false, true}) {
      if (is_half) make_bfloat16(path);
      const HuggingFaceModel saved(path);
      MiniGPT<float> whole(saved.config());
      saved.load_weights(whole);
      for (const Split split : {Split::kVal, Split::kTrain}) {
        const MemorySource source = some_tokens(split == Split::kVal);
        const LayerwiseReport report =
            layerwise_report(exec, saved.config(), reader_of(saved), source, windows(split), few_draws());
        CHECK(specialisation_json(report.specialisation) ==
              specialisation_json(model_specialisation(exec, whole, source, windows(split), few_draws())));
        check_health_of(report.health, whole_routing(exec, whole, source, windows(split)));
        CHECK(report.specialisation.num_tokens == 60);
        CHECK(report.health.layers.size() == config.moe_layers.size());
      }
    }
  }
}

TEST_CASE("layerwise report: the health of a frozen model does not know how its text was cut", "[analysis]") {
  Exec exec(threads(1));
  const TemporaryDirectory directory;
  write_model(directory.file("hf"), ernie_toy());
  const HuggingFaceModel saved(directory.file("hf"));
  std::vector<std::string> verdicts;
  for (const std::size_t batch : {1, 4, 10}) {
    WindowChoice choice = windows(Split::kVal);
    choice.batch_size = batch;
    const LayerwiseReport report =
        layerwise_report(exec, saved.config(), reader_of(saved), some_tokens(false), choice, few_draws());
    for (const LayerHealth& layer : report.health.layers) {
      CHECK(layer.windows.size() == 1);
      CHECK(layer.figures.bias_max.value() > layer.figures.bias_min.value());
      verdicts.push_back(layer.rule + ": " + layer.reason);
    }
  }
  for (std::size_t i = 2; i < verdicts.size(); ++i) CHECK(verdicts[i] == verdicts[i - 2]);
}

TEST_CASE("layerwise report: takes the memory of one block, however many there are", "[analysis]") {
  Exec exec(threads(1));
  std::size_t peaks[2] = {};
  for (const bool is_deep : {false, true}) {
    ModelConfig config = llama_toy();
    config.d_model = 64;
    config.d_ff = config.moe.d_expert = 256;
    config.num_layers = is_deep ? 12 : 2;
    config.moe_layers.resize(config.num_layers);
    for (std::size_t i = 0; i < config.num_layers; ++i) config.moe_layers[i] = i;
    const TemporaryDirectory directory;
    write_model(directory.file("hf"), config);
    const HuggingFaceModel saved(directory.file("hf"));
    CountingResource resource;
    layerwise_report(exec, saved.config(), reader_of(saved), some_tokens(false), windows(Split::kVal), few_draws(),
                     nullptr, &resource);
    peaks[is_deep] = resource.peak();
  }
  CHECK(peaks[0] > 3 * 4 * 64 * 256 * sizeof(float));
  CHECK(peaks[1] == peaks[0]);
}

TEST_CASE("layerwise report: refuses what has no experts, other ids, and stops when it is told", "[analysis]") {
  Exec exec(threads(1));
  const TemporaryDirectory directory;
  const ModelConfig config = llama_toy();
  write_model(directory.file("hf"), config);
  const HuggingFaceModel saved(directory.file("hf"));
  const MemorySource source = some_tokens(false);
  ModelConfig dense = config;
  dense.moe_layers = {};
  CHECK_THROWS_WITH(layerwise_report(exec, dense, reader_of(saved), source, windows(Split::kVal), few_draws()),
                    ContainsSubstring("the model is dense"));
  ModelConfig small = config;
  small.vocab_size = 10;
  CHECK_THROWS_WITH(layerwise_report(exec, small, reader_of(saved), source, windows(Split::kVal), few_draws()),
                    ContainsSubstring("11 token ids, the model 10"));
  CancelFlag fired;
  fired.fire();
  CHECK_THROWS_AS(layerwise_report(exec, config, reader_of(saved), source, windows(Split::kVal), few_draws(), &fired),
                  Error);
  CHECK_THROWS_AS(saved.load_embedding(11, static_cast<float*>(nullptr)), Error);
}
