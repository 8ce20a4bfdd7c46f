// SPDX-License-Identifier: Apache-2.0
// 20 optimizer steps against torch.optim.AdamW: the curves of the losses and of the gradient norm, the experts' loads,
// and the weights at the end.
#include "golden/golden_parameters.hpp"
#include "minimoe/train/run_config.hpp"
#include "minimoe/train/trainer.hpp"

namespace minimoe::test {
namespace {

template <class T>
inline constexpr double kTrainingTolerance = std::is_same_v<T, double> ? 1e-9 : 1e-4;

/// The micro-batches of a case, in the order of training.
class StoredBatches final : public BatchSource {
 public:
  StoredBatches(const GoldenFile& file, const std::string& name, std::size_t accumulation_steps)
      : tokens_(file.values<std::int32_t>(name + "/tokens")),
        targets_(file.values<std::int32_t>(name + "/targets")),
        valid_(file.values<std::uint8_t>(name + "/valid")),
        accumulation_steps_(accumulation_steps) {}

  void fill(std::int64_t step, std::size_t micro, std::size_t batch_size, std::size_t seq_len,
            const MicroBatch& batch) const override {
    const std::size_t size = batch_size * seq_len;
    const std::size_t at = (static_cast<std::size_t>(step) * accumulation_steps_ + micro) * size;
    REQUIRE(at + size <= tokens_.size());
    std::copy_n(tokens_.data() + at, size, batch.tokens.data());
    std::copy_n(targets_.data() + at, size, batch.targets.data());
    std::copy_n(valid_.data() + at, size, batch.valid.data());
  }

 private:
  std::vector<std::int32_t> tokens_, targets_;
  std::vector<std::uint8_t> valid_;
  std::size_t accumulation_steps_;
};

/// The rows of qkv.bias that are key biases: adding one to every key of a query changes no attention weight, so their
/// true gradient is 0, and what rounding leaves of it Adam scales up to full steps. In double its eps still hides that.
void overwrite_key_biases(std::vector<double>& expected, const float* got, const ModelConfig& config) {
  const std::size_t begin = config.num_heads * config.head_dim();
  const std::size_t end = begin + config.kv_heads() * config.head_dim();
  for (std::size_t i = begin; i < end; ++i) expected[i] = static_cast<double>(got[i]);
}

template <class T>
void check_final_weights(MiniGPT<T>& model, const GoldenFile& file, const std::string& prefix) {
  const ModelConfig& config = model.config();
  const ParameterList<T> parameters = model.parameters();
  REQUIRE(file.count_with_prefix(prefix + "/") == parameters.size());
  for (const ParameterRef<T>& p : parameters) {
    INFO(p.name);
    std::vector<double> expected = file.values<double>(prefix + "/" + p.name);
    REQUIRE(expected.size() == p.size());
    if constexpr (std::is_same_v<T, float>) {
      if (p.name.ends_with("attn.qkv.bias")) overwrite_key_biases(expected, p.value, config);
    }
    CHECK(relative_error(p.value, expected.data(), p.size()) < kTrainingTolerance<T>);
  }
}

template <class T>
void check_training(const GoldenFile& file, const std::string& name) {
  const RunConfig run = parse_run_config(file.info(name)["config"].dump());
  const StoredBatches batches(file, name, run.train.accumulation_steps);
  Exec exec({.num_threads = 1});
  MiniGPT<T> model(run.model);
  load_values(model.parameters(), file, name + "/start");
  Trainer<T> trainer(model, run.train, batches, exec);

  const Tensor<double, 2> curves = file.tensor<double, 2>(name + "/curves");
  const Tensor<std::int64_t, 3> load = file.tensor<std::int64_t, 3>(name + "/load");
  const std::size_t num_steps = curves.shape()[0], num_experts = load.shape()[2];
  REQUIRE(num_steps == 20);
  for (std::size_t step = 0; step < num_steps; ++step) {
    INFO("step " << step + 1);
    const StepMetrics& metrics = trainer.train_step();
    const double row[] = {metrics.loss, metrics.aux_loss, metrics.z_loss, metrics.gradient_norm, metrics.learning_rate};
    const char* what[] = {"loss", "aux_loss", "z_loss", "gradient_norm", "learning_rate"};
    for (std::size_t i = 0; i < std::size(row); ++i) {
      INFO(what[i]);
      check_close(row[i], curves(step, i), kTrainingTolerance<T>);
    }
    for (std::size_t layer = 0; layer < trainer.routing().size(); ++layer) {
      const std::int64_t* expected_load = View<const std::int64_t, 3>(load).row(step, layer);
      REQUIRE(trainer.routing()[layer].load == std::vector<std::int64_t>(expected_load, expected_load + num_experts));
    }
  }
  check_final_weights(model, file, name + "/final");
}

}  // namespace

TEMPLATE_TEST_CASE("golden training: 20 steps equal PyTorch", "[golden]", float, double) {
  const GoldenFile file("training");
  const std::vector<std::string> names = file.cases();
  CHECK(names.size() >= 6);
  for (const std::string& name : names) {
    INFO(name);
    REQUIRE(file.info(name)["topk_margin"] > 1e-6);  // of the whole run; else rounding could choose other experts
    check_training<TestType>(file, name);
  }
}

}  // namespace minimoe::test
