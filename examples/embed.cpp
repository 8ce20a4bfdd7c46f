// SPDX-License-Identifier: Apache-2.0
// embed.c in C++: the same life of a model with minimoe.hpp, a header over the C interface. Handles end themselves, a
// call that fails throws minimoe::capi::Error, and buffers have the right size.
#include <cstring>
#include <iostream>
#include <minimoe.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace minimoe::capi;

constexpr std::int32_t kVocab = 32;

const char kConfig[] = R"({
  "model": {"max_seq_len": 16, "d_model": 32, "num_heads": 2, "d_ff": 64,
            "moe": {"layers": [1], "num_experts": 4, "top_k": 2, "d_expert": 64}},
  "train": {"steps": 1000000, "schedule": "constant", "warmup_steps": 10, "learning_rate": 0.01,
            "batch_size": 8, "seq_len": 16, "weight_decay": 0, "seed": 7}})";

// After word t always comes 5 t + 3 (mod 32).
std::int32_t next_word(std::int32_t word) { return (5 * word + 3) % kVocab; }

void claim(bool holds, const char* what) {
  std::cout << what << ": " << (holds ? "yes" : "NO") << "\n";
  if (!holds) throw std::runtime_error(what);
}

void run(const std::string& path) {
  std::vector<std::int32_t> words(4096);
  for (std::size_t i = 1; i < words.size(); ++i) words[i] = next_word(words[i - 1]);
  Dataset dataset = Dataset::create(R"({"vocab_size": 32, "name": "words"})");
  dataset.append(words);

  const std::string config = dataset.fit_config(kConfig);  // vocab_size comes from the dataset
  const Options options = Options().num_threads(1);
  const Model model(config, options);
  Trainer trainer(model, dataset, config);  // keeps both alive

  // Train, 20 steps a call, and watch the experts in between.
  double first_loss = 0, loss = 0;
  for (int i = 0; i < 6; ++i) {
    const StepsResult result = trainer.steps(20).throw_if_failed();
    if (i == 0) first_loss = result.metrics.front().loss;
    loss = result.metrics.back().loss;
    std::cout << "step " << trainer.step() << "  loss " << loss << "  tokens per expert";
    for (const std::int64_t load : trainer.expert_loads(0)) std::cout << " " << load;
    std::cout << "\n";
  }
  claim(loss < 0.1 * first_loss, "the loss went down to less than a tenth");

  // Cancel from another thread: every completed step counts, the one that was broken off leaves no trace.
  const std::int64_t before = trainer.step();
  CancelToken token;
  std::thread other([&token] { token.fire(); });
  const StepsResult stopped = trainer.steps(100000, &token);
  other.join();
  claim(stopped.cancelled(), "another thread stopped the training");
  claim(trainer.step() == before + static_cast<std::int64_t>(stopped.metrics.size()), "every completed step counts");

  // Save, go on; resume from the file in another model: the same bits.
  trainer.save(path);
  const double loss_without_a_stop = trainer.steps(5).throw_if_failed().metrics.back().loss;
  const Model resumed_model = Model::load(path, options);
  Trainer resumed(resumed_model, dataset, config);
  resumed.resume(path);
  const double loss_after_resuming = resumed.steps(5).throw_if_failed().metrics.back().loss;
  claim(std::memcmp(&loss_without_a_stop, &loss_after_resuming, sizeof(double)) == 0,
        "the resumed loss has the same bits");

  // Generate, greedily, from one word.
  std::vector<std::int32_t> text = {9};
  for (const std::int32_t word : resumed_model.generate(text, R"({"max_new_tokens": 15, "temperature": 0})")) {
    text.push_back(word);
  }
  bool right = text.size() == 16;
  for (std::size_t i = 1; i < text.size(); ++i) right = right && text[i] == next_word(text[i - 1]);
  claim(right, "every word that the model wrote follows the rule");

  // Errors are exceptions that carry the status.
  try {
    Model("{\"model\": {\"d_modle\": 64}}");
    claim(false, "a misspelt key is refused");
  } catch (const Error& error) {
    claim(error.status() == MINIMOE_E_INVALID_ARGUMENT, error.what());
  }
}

}  // namespace

int main(int argc, char** argv) try {
  run(argc > 1 ? argv[1] : "embed_cpp.safetensors");
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
