// SPDX-License-Identifier: Apache-2.0
#include "minimoe/exchange/logits_file.hpp"

#include <cmath>
#include <memory_resource>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"
#include "train/safetensors.hpp"

namespace minimoe {
namespace {

std::vector<double> values_of(const SafetensorsFile& file, const std::string& name) {
  const SafetensorsFile::Entry* entry = file.find(name);
  REQUIRE(entry);
  std::vector<double> values((entry->end - entry->begin) / 8);
  file.read(*entry, values.data());
  return values;
}

}  // namespace

TEST_CASE("write_logits: loss and gradients belong to the logits, by our names where no format holds the model",
          "[exchange]") {
  ModelConfig config = gpt2_preset();
  config.vocab_size = 7;
  config.max_seq_len = 5;
  config.d_model = 6;
  config.num_heads = 2;
  config.d_ff = 4;
  config.moe_layers = {1};
  config.moe.d_expert = 3;
  MiniGPT<double> model(config);
  model.initialize(3);
  for (const ParameterRef<double>& p : model.parameters()) {
    for (std::size_t i = 0; i < p.size() && p.role == Role::kWeight; ++i) p.value[i] *= 8;
  }
  const std::vector<std::int32_t> tokens = {1, 5, 2, 6, 0, 3};
  const minimoe_test::TemporaryDirectory directory;
  const std::string path = directory.file("logits");
  Exec exec;
  const auto written = [&] {
    write_logits(path, exec, model, model.parameters(), tokens, 3, {false, true});
    return SafetensorsFile(path).metadata().size();
  };
  written();
  const SafetensorsFile file(path);
  const std::vector<double> logits = values_of(file, "logits");
  double loss = 0;
  for (const std::size_t t : {0, 1, 3, 4}) {
    double sum = 0;
    for (std::size_t v = 0; v < 7; ++v) sum += std::exp(logits[7 * t + v]);
    loss += (std::log(sum) - logits[7 * t + static_cast<std::size_t>(tokens[t + 1])]) / 4;
  }
  CHECK(values_of(file, "loss")[0] == Approx(loss).epsilon(1e-12));
  const std::string name = "blocks.1.moe.experts.w_up_proj";
  const std::vector<double> gradient = values_of(file, "grad." + name);
  CHECK(file.find("grad.blocks.1.moe.expert_bias") == nullptr);
  for (const ParameterRef<double>& p : model.parameters()) {
    if (p.name != name) continue;
    for (const std::size_t i : {0, 11, 40}) {
      const double kept = p.value[i], step = 1e-5;
      double losses[2];
      for (const int side : {0, 1}) {
        p.value[i] = kept + (side ? step : -step);
        written();
        losses[side] = values_of(SafetensorsFile(path), "loss")[0];
      }
      p.value[i] = kept;
      CHECK((losses[1] - losses[0]) / (2 * step) == Approx(gradient[i]).epsilon(1e-5).margin(1e-10));
    }
  }
  write_logits(path, exec, model, model.parameters(), tokens, 1, {});
  CHECK(SafetensorsFile(path).entries().size() == 1);
  CHECK_THROWS_AS(write_logits(path, exec, model, model.parameters(), tokens, 1, {false, true}), Error);
  CHECK_THROWS_AS(write_logits(path, exec, model, model.parameters(), tokens, 4, {}), Error);
}

TEST_CASE("write_logits: logits are copied for gradients alone", "[exchange]") {
  ModelConfig config = gpt2_preset();
  config.vocab_size = 4000;
  config.max_seq_len = 64;
  config.d_model = 6;
  config.num_heads = 2;
  config.d_ff = 4;
  config.num_layers = 1;
  MiniGPT<double> model(config);
  model.initialize(3);
  const std::vector<std::int32_t> tokens(64, 3);
  const minimoe_test::TemporaryDirectory directory;
  const std::string path = directory.file("logits");
  std::vector<std::byte> memory(32 << 20);
  Exec exec;
  std::vector<double> written[2];
  for (const bool gradients : {false, true}) {
    std::pmr::monotonic_buffer_resource resource(memory.data(), memory.size(), std::pmr::null_memory_resource());
    minimoe_test::reset_largest_allocation();
    write_logits(path, exec, model, model.parameters(), tokens, 64, {false, gradients}, &resource);
    CHECK((minimoe_test::largest_allocation() >= 64 * 4000 * sizeof(double)) == gradients);
    written[gradients] = values_of(SafetensorsFile(path), "logits");
  }
  CHECK(written[0] == written[1]);
}

}  // namespace minimoe
