// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <thread>

#include "support/catch.hpp"
#include "support/test_tensors.hpp"
#include "support/toy_training.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSteps = 3;  // what a sanitizer looks for is there in the first
#else
constexpr int kSteps = 50;
#endif

// Every parameter after kSteps steps.
std::vector<float> trained(const ModelConfig& config, const TrainConfig& train, const ExecOptions& options) {
  ToyBatches batches(config.vocab_size);
  const auto whole = train.seq_len;
  batches.row_lengths = {whole, whole / 2 + 1, whole, 0, 7};
  Exec exec(options);
  MiniGPT<float> model(config);
  model.initialize(train.seed);
  Trainer<float> trainer(model, train, batches, exec);
  for (int step = 0; step < kSteps; ++step) trainer.train_step();
  return all_values(model);
}

ModelConfig wide_model(const ModelConfig& preset, std::size_t width) {
  ModelConfig config = toy_model(preset);
  config.d_model = width;
  config.d_ff = config.moe.d_expert = 2 * width;
  config.vocab_size = 64;
  config.max_seq_len = 32;
  config.moe.z_loss_coef = 0.01;
  config.moe.bias_balancing = true;
  config.moe.capacity_factor = 1.0;
  config.moe.drop_priority = DropPriority::kProbability;
  return config;
}

TrainConfig accumulating(std::size_t batch_size, std::size_t seq_len) {
  TrainConfig train = toy_training();
  train.batch_size = batch_size;
  train.seq_len = seq_len;
  train.accumulation_steps = 2;
  return train;
}

// Keeps every core busy with something else.
class BusyCores {
 public:
  BusyCores() {
    for (unsigned i = 0; i < std::max(2u, std::thread::hardware_concurrency()); ++i) {
      threads_.emplace_back([this] {
        while (!stop_.load(std::memory_order_relaxed)) {
        }
      });
    }
  }
  ~BusyCores() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("trainer: the same bits after 50 steps for 1, 2, 3, 4 and 8 threads", "[trainer]") {
  for (const ModelConfig& preset : {gpt2_preset(), llama_preset()}) {
    for (const bool is_moe : {true, false}) {
      // Wide enough that products, norms and attention are really split.
      ModelConfig config = wide_model(preset, 64);
      if (!is_moe) config.moe_layers = {};
      const TrainConfig train = accumulating(16, 32);
      const std::vector<float> expected = trained(config, train, {.num_threads = 1});
      for (const int num_threads : {2, 3, 4, 8}) {
        INFO(num_threads << " threads, MoE " << is_moe);
        CHECK(same_bits(trained(config, train, {.num_threads = num_threads}), expected));
      }
    }
  }
}

TEST_CASE("trainer: the same bits for any number of threads on a busy machine", "[trainer]") {
  const ModelConfig config = wide_model(gpt2_preset(), 64);
  const TrainConfig train = accumulating(16, 32);
  const std::vector<float> expected = trained(config, train, {.num_threads = 1});
  const BusyCores busy;
  for (const int num_threads : {2, 4}) {
    CHECK(same_bits(trained(config, train, {.num_threads = num_threads}), expected));
  }
}

TEST_CASE("trainer: the same bits for any number of threads in each instruction set and precision", "[trainer]") {
  const ModelConfig config = wide_model(gpt2_preset(), 32);
  TrainConfig train = accumulating(8, 16);
  std::vector<float> of_float;
  for (const InstructionSet set : available_instruction_sets()) {
    for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
      train.precision = precision;
      const std::vector<float> expected = trained(config, train, {.num_threads = 1, .instruction_set = set});
      for (const int num_threads : {2, 3, 4, 8}) {
        INFO(instruction_set_name(set) << ' ' << num_threads << " threads");
        CHECK(same_bits(trained(config, train, {.num_threads = num_threads, .instruction_set = set}), expected));
      }
      if (precision == Precision::kFloat32) of_float = expected;
      if (precision == Precision::kBfloat16) CHECK_FALSE(same_bits(expected, of_float));
    }
  }
}
