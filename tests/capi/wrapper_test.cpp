// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cmath>
#include <memory>
#include <minimoe.hpp>
#include <span>
#include <vector>

#include "capi/small_run.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

namespace c = minimoe::capi::v0;
using namespace minimoe_test;

namespace {

c::Options one_thread() { return c::Options().num_threads(1); }

c::Dataset small_dataset() {
  c::Dataset dataset = c::Dataset::create(kSmallData, one_thread());
  dataset.append(small_tokens());
  return dataset;
}

// kSmallRun with another part of "train".
std::string run_with(const std::string& train) {
  std::string run = kSmallRun;
  return run.insert(run.find("\"batch_size\""), train + ",");
}

template <class Call>
minimoe_status status_of(Call&& call) {
  try {
    call();
  } catch (const c::Error& error) {
    CHECK(std::string(error.what()) != "");
    return error.status();
  }
  return MINIMOE_OK;
}

}  // namespace

TEST_CASE("minimoe.hpp: copies are one object, and a child keeps its parents", "[capi]") {
  auto model = std::make_unique<c::Model>(kSmallRun, one_thread());
  auto dataset = std::make_unique<c::Dataset>(small_dataset());
  c::Dataset copy = *dataset;
  CHECK(copy.handle() == dataset->handle());
  c::Trainer trainer(*model, *dataset, kSmallRun);
  c::Model kept = *model;
  model.reset();
  dataset.reset();
  const std::uint64_t before = kept.generation();
  CHECK(trainer.steps(1).throw_if_failed().metrics.size() == 1);
  CHECK(kept.generation() > before);
  copy = small_dataset();
  CHECK(trainer.steps(1).throw_if_failed().metrics.size() == 1);
}

TEST_CASE("minimoe.hpp: what was moved from refuses, and can be assigned to", "[capi]") {
  c::Dataset dataset = small_dataset();
  const c::Dataset taken = std::move(dataset);
  CHECK(status_of([&] { dataset.info(); }) == MINIMOE_E_INVALID_ARGUMENT);
  dataset = taken;
  CHECK(dataset.info() == taken.info());
}

TEST_CASE("minimoe.hpp: texts are whole, whatever their length", "[capi]") {
  const std::string keys = c::config_keys();
  REQUIRE(keys.size() > 4096);
  CHECK(keys.front() == '[');
  CHECK(keys.back() == ']');
  CHECK(keys.find('\0') == std::string::npos);
  CHECK(c::version_string() == std::string(minimoe_version_string()));
  const std::string resolved = c::config_resolve(c::config_preset("lab"));
  CHECK(c::config_resolve(resolved) == resolved);
}

TEST_CASE("minimoe.hpp: errors carry code and message", "[capi]") {
  try {
    c::config_resolve(R"({"model":{"d_modle":1}})");
    FAIL("an unknown key was taken");
  } catch (const c::Error& error) {
    CHECK(error.status() == MINIMOE_E_INVALID_ARGUMENT);
    CHECK(error.status_name() == std::string("MINIMOE_E_INVALID_ARGUMENT"));
    CHECK_THAT(error.what(), ContainsSubstring("d_modle"));
  }
  CHECK(status_of([] { c::Model::load("no such file"); }) == MINIMOE_E_IO);
  CHECK(status_of([] { c::config_preset(std::string("lab\0x", 5)); }) == MINIMOE_E_INVALID_ARGUMENT);
}

TEST_CASE("minimoe.hpp: arrays of any contiguous kind are taken", "[capi]") {
  c::Dataset dataset = c::Dataset::create(kSmallData);
  const std::array<std::int32_t, 3> array = {1, 2, 3};
  std::vector<std::uint16_t> narrow = {4, 5};
  dataset.append(array);
  dataset.append(narrow);
  dataset.append(std::span<const std::int32_t>(array));
  dataset.append({array.data(), 1});
  CHECK(dataset.decode(array) == "1 2 3");
  CHECK(dataset.encode("3 2") == std::vector<std::int32_t>{3, 2});
  CHECK(!dataset.sentence("train", 0, 0));
  CHECK(!dataset.entropy_floor("train", 4, 1));
}

TEST_CASE("minimoe.hpp: a window has its tokens and classes", "[capi]") {
  c::Dataset dataset = c::Dataset::create(R"({"vocab_size":13,"val_fraction":0.5,"class_names":["a","b"]})");
  const std::vector<std::int32_t> tokens = small_tokens(40);
  std::vector<std::uint8_t> classes(40);
  for (std::size_t i = 0; i < 40; ++i) classes[i] = i % 3 == 0;
  dataset.append(tokens, classes);
  REQUIRE(dataset.num_windows("val", 8) >= 1);
  const c::Window window = dataset.window("val", 0, 0, 8);
  CHECK(window.tokens == std::vector<std::int32_t>(tokens.begin() + 20, tokens.begin() + 29));
  CHECK(window.classes == std::vector<std::uint8_t>(classes.begin() + 20, classes.begin() + 29));
  CHECK(small_dataset().window("val", 0, 0, 8).classes.empty());
}

TEST_CASE("minimoe.hpp: borrowed vectors live as long as anything that reads them", "[capi]") {
  auto tokens = std::make_shared<const std::vector<std::int32_t>>(small_tokens());
  const std::weak_ptr<const std::vector<std::int32_t>> watched = tokens;
  {
    const c::Model model(kSmallRun, one_thread());
    std::optional<c::Trainer> trainer;
    trainer.emplace(model, c::Dataset::borrow(kSmallData, std::move(tokens)), kSmallRun);
    CHECK(trainer->steps(1).ok());
    CHECK(!watched.expired());
  }
  CHECK(watched.expired());
  auto refused = std::make_shared<const std::vector<std::int32_t>>(1, 99);
  CHECK(status_of([&] { c::Dataset::borrow(kSmallData, refused); }) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(refused.use_count() == 1);
}

TEST_CASE("minimoe.hpp: steps keep what was completed before a value is not finite", "[capi]") {
  // Each step multiplies the weights by about -1e6, so a few of them leave the range of float.
  const std::string run =
      run_with(R"("learning_rate":1000,"min_learning_rate":1000,"weight_decay":1000,"clip_norm":0)");
  const c::Model model(run, one_thread());
  c::Trainer trainer(model, small_dataset(), run);
  c::StepsResult result = trainer.steps(50);
  CHECK(result.status == MINIMOE_E_NON_FINITE);
  REQUIRE(!result.metrics.empty());
  CHECK(trainer.step() == static_cast<std::int64_t>(result.metrics.size()));
  CHECK(result.metrics.back().step == trainer.step());
  CHECK(status_of([&] { result.throw_if_failed(); }) == MINIMOE_E_NON_FINITE);
  const c::StepsResult again = trainer.steps(1);  // nothing completed, and still no exception
  CHECK(again.status == MINIMOE_E_NON_FINITE);
  CHECK(again.metrics.empty());
}

TEST_CASE("minimoe.hpp: being cancelled is a result, a refusal is an exception", "[capi]") {
  const c::Model model(kSmallRun, one_thread());
  c::Trainer trainer(model, small_dataset(), kSmallRun);
  const c::CancelToken token;
  const c::CancelToken same = token;
  CHECK(trainer.steps(2, &token).metrics.size() == 2);
  same.fire();
  CHECK(token.fired());
  const c::StepsResult stopped = trainer.steps(2, &token).throw_if_failed();
  CHECK(stopped.cancelled());
  CHECK(stopped.metrics.empty());
  CHECK(trainer.step() == 2);
  CHECK(status_of([&] { (void)trainer.steps(-1); }) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(trainer.steps(0).ok());
}

TEST_CASE("minimoe.hpp: more steps than the schedule has are the schedule's, all of them reported", "[capi]") {
  std::string run = kSmallRun;
  run.replace(run.find("\"steps\":50"), 10, "\"steps\":300");
  const c::Model model(run, one_thread());
  c::Trainer trainer(model, small_dataset(), run);
  const c::StepsResult result = trainer.steps(std::int64_t{1} << 40);
  CHECK(result.ok());
  REQUIRE(result.metrics.size() == 300);
  for (std::size_t i = 0; i < 300; ++i) REQUIRE(result.metrics[i].step == static_cast<std::int64_t>(i) + 1);
}

TEST_CASE("minimoe.hpp: a model's life reaches the same bits as the handles' own", "[capi]") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("model.safetensors");
  const c::Model model(kSmallRun, one_thread());
  c::Trainer trainer(model, small_dataset(), kSmallRun);
  CHECK(trainer.steps(3).ok());
  CHECK(trainer.expert_loads(0).size() == 4);
  CHECK_THAT(trainer.routing(), ContainsSubstring("\"load\""));
  CHECK(std::isfinite(trainer.evaluate("val").loss));
  trainer.save(path);
  const c::Model loaded = c::Model::load(path, one_thread());
  const std::vector<std::int32_t> tokens = {1, 2, 3, 4};
  const std::vector<float> logits = model.forward(tokens, 4);
  REQUIRE(logits.size() == 4 * 13);
  CHECK(loaded.forward(tokens, 4) == logits);
  std::vector<float> buffer(logits.size());
  CHECK(model.forward_into(buffer, tokens, 2) == logits.size());
  CHECK(buffer != logits);  // two sequences of two
  CHECK(model.generate(tokens, R"({"max_new_tokens":5,"temperature":0})").size() == 5);
  const std::vector<float> weight = model.parameter("blocks.1.moe.router.weight");
  const c::TensorView view = model.parameter_view("blocks.1.moe.router.weight");
  CHECK(std::vector<float>(view.values, view.values + view.num_values) == weight);
  CHECK_THAT(c::checkpoint_info(path), ContainsSubstring("\"step\":3"));
}

TEST_CASE("minimoe.hpp: the bare layer's gradient is that of its output", "[capi]") {
  c::MoELayer layer(
      R"({"model":{"d_model":8,"num_heads":1,"moe":{"num_experts":2,"top_k":2,"d_expert":16,"aux_loss_coef":0}}})",
      one_thread());
  std::vector<float> x(3 * 8);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i));
  c::MoECache cache(layer, 3);
  const std::vector<float> y = layer.forward(cache, x);
  CHECK(layer.infer(x) == y);
  CHECK(cache.topk_idx().size() == 6);
  CHECK(cache.load() == std::vector<std::int64_t>{3, 3});
  CHECK(cache.metrics().num_tokens == 3);
  layer.zero_gradients();
  // The down-projection's bias adds gate weights times d_y, and each token's weights sum to 1.
  layer.backward(cache, x, std::vector<float>(x.size(), 1.0f));
  const std::vector<float> gradient = layer.gradient("experts.b_down_proj");
  REQUIRE(gradient.size() == 2 * 8);
  for (std::size_t i = 0; i < 8; ++i) CHECK(std::abs(gradient[i] + gradient[8 + i] - 3.0f) < 1e-5f);
  CHECK(status_of([&] { layer.bind_parameter("no.such", c::Span<float>(x)); }) == MINIMOE_E_INVALID_ARGUMENT);
}
