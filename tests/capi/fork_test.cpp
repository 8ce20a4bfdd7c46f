// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "capi/small_run.hpp"
#include "support/catch.hpp"
#include "support/started_threads.hpp"

using namespace minimoe_test;

namespace {

// Runs `body` in a child; its result is the child's exit code. A child that hangs is ended by the alarm (code -14).
template <class Body>
int in_child(Body&& body, pid_t (*make_child)() = fork) {
  const pid_t child = make_child();
  if (child == 0) {
    alarm(60);
    _exit(body());
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// No handler of pthread_atfork is called.
pid_t raw_clone() { return static_cast<pid_t>(syscall(SYS_clone, static_cast<long>(SIGCHLD), 0L, 0L, 0L, 0L)); }

}  // namespace

TEST_CASE("capi: in a forked child idle handles go on, to the same bits", "[capi][fork]") {
  const std::vector<float> expected = weights_after(4);
  SmallRun run(2);
  REQUIRE(run.create());
  REQUIRE(run.steps(2) == MINIMOE_OK);  // the parent's thread pool runs
  let_threads_start();
  const auto train_on = [&] {
    if (run.steps(2) != MINIMOE_OK) return 1;
    if (run.weights() != expected) return 2;
    run.free();
    return 0;
  };
  for (int i = 0; i < 100; ++i) REQUIRE(in_child(train_on) == 0);
  for (int i = 0; i < 10; ++i) REQUIRE(in_child(train_on, raw_clone) == 0);
  REQUIRE(in_child([&] { return in_child(train_on); }) == 0);  // a child's child
  REQUIRE(run.steps(2) == MINIMOE_OK);
  CHECK(run.weights() == expected);
}

TEST_CASE("capi: a fork during training leaves the child handles that say so and can be freed", "[capi][fork]") {
  SmallRun run(2);
  std::string endless = kSmallRun;
  endless.replace(endless.find("\"steps\":50"), 10, "\"steps\":1000000000");
  REQUIRE(run.create(endless.c_str()));
  // From here on the run makes no threads: AddressSanitizer (GCC 12) does not unlock its list of threads in the child
  // of a fork that falls into pthread_create, and the child's own pool would wait for it.
  REQUIRE(run.steps(1) == MINIMOE_OK);
  std::atomic<bool> stop{false};
  std::atomic<int> failures{0};
  std::thread training([&] {
    while (!stop) failures += run.steps(50) != MINIMOE_OK;
  });
  let_threads_start();
  minimoe_model* const model = run.model;
  minimoe_dataset* const dataset = run.dataset;
  int caught = 0;
  for (int i = 0; i < 100; ++i) {
    const int code = in_child([&] {
      const std::int32_t token = 1;
      float logits[13];
      const minimoe_status forward =
          minimoe_model_forward(model, &token, 1, nullptr, 0, 1, logits, 13, nullptr, nullptr);
      char info[512];
      const minimoe_status read = minimoe_dataset_info(dataset, info, sizeof(info), nullptr, nullptr);
      std::uint64_t generation = 0;
      const bool same = minimoe_model_retain(model, nullptr) == forward &&
                        minimoe_model_generation(model, &generation, nullptr) == forward;
      minimoe_model_free(model);
      minimoe_dataset_free(dataset);
      if (!same) return 3;  // nothing but _free may be done to a torn handle
      const auto allowed = [](minimoe_status status) { return status == MINIMOE_OK || status == MINIMOE_E_FORKED; };
      if (!allowed(forward) || !allowed(read)) return 1;
      return forward == MINIMOE_E_FORKED ? 2 : 0;
    });
    REQUIRE((code == 0 || code == 2));
    caught += code == 2;
  }
  stop = true;
  training.join();
  CHECK(failures == 0);
  CHECK(caught > 0);  // some forks fell into a step
}
