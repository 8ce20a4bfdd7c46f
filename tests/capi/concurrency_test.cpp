// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "capi/small_run.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace minimoe_test;

namespace {

// A log sink that holds the training thread inside its first micro-batch until it is told to go on.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool inside = false, open = false;

  static void log(void* user_data, std::int32_t level, const char*) {
    if (level != MINIMOE_LOG_TRACE) return;
    auto& gate = *static_cast<Gate*>(user_data);
    std::unique_lock<std::mutex> lock(gate.mutex);
    gate.inside = true;
    gate.changed.notify_all();
    gate.changed.wait(lock, [&] { return gate.open; });
  }
  void wait_until_inside() {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return inside; });
  }
  void let_go() {
    const std::lock_guard<std::mutex> lock(mutex);
    open = true;
    changed.notify_all();
  }
  void watch(minimoe_options& options) {
    options.log = &Gate::log;
    options.log_user_data = this;
    options.log_level = MINIMOE_LOG_TRACE;
  }
};

}  // namespace

TEST_CASE("capi: while a trainer trains, its model is busy for everyone else", "[capi][threads]") {
  SmallRun run;
  Gate gate;
  gate.watch(run.options);
  REQUIRE(run.create());
  std::thread training([&] { CHECK(run.steps(3) == MINIMOE_OK); });
  gate.wait_until_inside();

  minimoe_error error{};
  const std::int32_t token = 1;
  float logits[13];
  CHECK(minimoe_model_forward(run.model, &token, 1, nullptr, 0, 1, logits, 13, nullptr, &error) == MINIMOE_E_BUSY);
  CHECK_THAT(error.message, ContainsSubstring("minimoe_model_forward") && ContainsSubstring("model"));
  CHECK(minimoe_model_save(run.model, "never written", &error) == MINIMOE_E_BUSY);
  minimoe_tensor_view view{};
  CHECK(minimoe_model_parameter_view(run.model, "head.weight", &view, sizeof(view), &error) == MINIMOE_E_BUSY);
  CHECK(minimoe_trainer_steps(run.trainer, 1, nullptr, nullptr, 0, 0, nullptr, &error) == MINIMOE_E_BUSY);
  std::int64_t step = -1;
  CHECK(minimoe_trainer_step(run.trainer, &step, &error) == MINIMOE_E_BUSY);
  CHECK(step == -1);
  CHECK(minimoe_dataset_append_i32(run.dataset, &token, 1, nullptr, 0, &error) == MINIMOE_E_BUSY);
  char info[512];
  CHECK(minimoe_dataset_info(run.dataset, info, sizeof(info), nullptr, &error) == MINIMOE_OK);  // a reader beside it

  gate.let_go();
  training.join();
  CHECK(minimoe_trainer_step(run.trainer, &step, &error) == MINIMOE_OK);
  CHECK(step == 3);
  CHECK(minimoe_model_forward(run.model, &token, 1, nullptr, 0, 1, logits, 13, nullptr, &error) == MINIMOE_OK);
}

TEST_CASE("capi: a reader keeps training out, and readers run side by side", "[capi][threads]") {
  SmallRun run;
  REQUIRE(run.create());
  const std::vector<std::int32_t> tokens = small_tokens(8);
  std::vector<float> expected(8 * 13);
  REQUIRE(minimoe_model_forward(run.model, tokens.data(), 8, nullptr, 0, 8, expected.data(), expected.size(), nullptr,
                                nullptr) == MINIMOE_OK);
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 8; ++i) {
    readers.emplace_back([&] {
      std::vector<float> logits(expected.size());
      for (int j = 0; j < 20; ++j) {
        const minimoe_status status = minimoe_model_forward(run.model, tokens.data(), 8, nullptr, 0, 8, logits.data(),
                                                            logits.size(), nullptr, nullptr);
        wrong += status != MINIMOE_OK || logits != expected;
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
}

TEST_CASE("capi: of two threads that train one trainer, each step belongs to one", "[capi][threads]") {
  const std::vector<float> expected = weights_after(40);
  SmallRun run(2);
  REQUIRE(run.create());
  std::atomic<int> busy{0}, other{0};
  const auto work = [&] {
    for (;;) {
      std::int64_t step = 0;
      minimoe_status status = minimoe_trainer_step(run.trainer, &step, nullptr);
      if (status == MINIMOE_OK && step >= 40) return;
      if (status == MINIMOE_OK)
        status = minimoe_trainer_steps(run.trainer, 1, nullptr, nullptr, 0, 0, nullptr, nullptr);
      if (status == MINIMOE_E_BUSY) ++busy;
      if (status != MINIMOE_OK && status != MINIMOE_E_BUSY) ++other;
      std::int64_t now = 0;
      if (minimoe_trainer_step(run.trainer, &now, nullptr) == MINIMOE_OK && now >= 40) return;
    }
  };
  std::thread a(work), b(work);
  a.join();
  b.join();
  CHECK(other == 0);
  std::int64_t step = 0;
  REQUIRE(minimoe_trainer_step(run.trainer, &step, nullptr) == MINIMOE_OK);
  CHECK((step == 40 || step == 41));  // both may have seen 39
  if (step == 40) CHECK(run.weights() == expected);
  if (step == 41) CHECK(run.weights() == weights_after(41));
}

TEST_CASE("capi: handles freed during a call live to its end", "[capi][threads]") {
  SmallRun run;
  Gate gate;
  gate.watch(run.options);
  REQUIRE(run.create());
  minimoe_trainer* const trainer = run.trainer;
  std::atomic<int> status{-1};
  std::size_t completed = 0;
  std::thread training(
      [&] { status = minimoe_trainer_steps(trainer, 2, nullptr, nullptr, 0, 0, &completed, nullptr); });
  gate.wait_until_inside();
  run.free();
  gate.let_go();
  training.join();
  CHECK(status == MINIMOE_OK);
  CHECK(completed == 2);
}

TEST_CASE("capi: a fired token stops training within one micro-batch, and resumes to the same bits",
          "[capi][threads]") {
  // The log counts micro-batches; at the fourth (the first of step 2) another thread fires.
  struct Watch {
    minimoe_cancel_token* token = nullptr;
    std::atomic<int> micro_batches{0};
    int fire_at = 0, at_fire = 0;
    static void log(void* user_data, std::int32_t level, const char*) {
      if (level != MINIMOE_LOG_TRACE) return;
      auto& watch = *static_cast<Watch*>(user_data);
      if (++watch.micro_batches != watch.fire_at) return;
      std::thread([&] { minimoe_cancel_token_fire(watch.token, nullptr); }).join();
      watch.at_fire = watch.micro_batches;
    }
  };
  const int fire_at = GENERATE(1, 2, 3, 4, 5, 6);
  const std::vector<float> expected = weights_after(5);
  TemporaryDirectory directory;
  const std::string path = directory.file("cancelled.safetensors");

  Watch watch;
  watch.fire_at = fire_at;
  SmallRun run;
  run.options.log = &Watch::log;
  run.options.log_user_data = &watch;
  run.options.log_level = MINIMOE_LOG_TRACE;
  REQUIRE(minimoe_cancel_token_create(&watch.token, nullptr) == MINIMOE_OK);
  REQUIRE(run.create());
  minimoe_step_metrics metrics[5];
  std::size_t completed = 99;
  CHECK(minimoe_trainer_steps(run.trainer, 5, watch.token, metrics, sizeof(metrics[0]), 5, &completed, &run.error) ==
        MINIMOE_E_CANCELLED);
  CHECK(watch.micro_batches == watch.at_fire);  // the micro-batch in which it was fired was the last
  CHECK(completed == static_cast<std::size_t>((fire_at - 1) / 3));

  // The same trainer goes on, and so does a new one from the file.
  completed = 99;
  CHECK(run.steps(1, watch.token, &completed) == MINIMOE_E_CANCELLED);  // it stays fired
  CHECK(completed == 0);
  REQUIRE(minimoe_trainer_save(run.trainer, path.c_str(), &run.error) == MINIMOE_OK);
  const auto left = static_cast<std::int64_t>(5 - (fire_at - 1) / 3);
  REQUIRE(run.steps(left) == MINIMOE_OK);
  CHECK(run.weights() == expected);
  SmallRun resumed(2);
  REQUIRE(resumed.create());
  REQUIRE(minimoe_trainer_resume(resumed.trainer, path.c_str(), &resumed.error) == MINIMOE_OK);
  REQUIRE(resumed.steps(left) == MINIMOE_OK);
  CHECK(resumed.weights() == expected);
  minimoe_cancel_token_free(watch.token);
}

TEST_CASE("capi: a model has one trainer at a time", "[capi]") {
  SmallRun run;
  REQUIRE(run.create());
  minimoe_trainer* second = nullptr;
  const std::string train = R"({"train":{"batch_size":2,"seq_len":8}})";
  CHECK(minimoe_trainer_create(run.model, run.dataset, train.data(), train.size(), &second, &run.error) ==
        MINIMOE_E_BUSY);
  CHECK(second == nullptr);
  minimoe_trainer_free(run.trainer);
  run.trainer = nullptr;
  CHECK(minimoe_trainer_create(run.model, run.dataset, nullptr, 0, &second, &run.error) ==
        MINIMOE_E_INVALID_ARGUMENT);  // the default run has longer sequences than this model
  CHECK(minimoe_trainer_create(run.model, run.dataset, train.data(), train.size(), &second, &run.error) == MINIMOE_OK);
  run.trainer = second;
}
