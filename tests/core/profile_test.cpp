// SPDX-License-Identifier: Apache-2.0
#include "minimoe/core/profile.hpp"

#include <chrono>
#include <thread>

#include "support/catch.hpp"

using namespace minimoe;

namespace {

constexpr std::int64_t kPause = 20'000'000;

void wait() { std::this_thread::sleep_for(std::chrono::nanoseconds(kPause)); }

}  // namespace

TEST_CASE("profile: a scope inside another pauses that, and what stands in none is the rest", "[profile]") {
  Exec exec(ExecOptions{.num_threads = 1});
  Profile profile;
  const auto begin = std::chrono::steady_clock::now();
  {
    ProfiledStep step(exec, &profile);
    {
      ProfileScope outer(exec, Pass::kForward, Operation::kExperts, 5);
      wait();
      {
        const ProfileScope inner(exec, Pass::kBackward, Operation::kRope);
        wait();
      }
      wait();
    }
    wait();
    ProfileScope scope(exec, Pass::kForward, Operation::kQkv, 1);
    wait();
    scope.next(Operation::kProj, 2);
    scope.next(Operation::kQkv, 4);
    step.complete();
  }
  const std::int64_t wall = (std::chrono::steady_clock::now() - begin).count();
  CHECK(exec.profile() == nullptr);
  CHECK(profile.num_steps() == 1);

  const Profile::Entry experts = profile.entry(Operation::kExperts, Pass::kForward);
  const Profile::Entry rope = profile.entry(Operation::kRope, Pass::kBackward);
  const Profile::Entry qkv = profile.entry(Operation::kQkv, Pass::kForward);
  const Profile::Entry rest = profile.entry(Operation::kRest, Pass::kStep);
  CHECK(experts.nanoseconds >= 2 * kPause);
  CHECK(rope.nanoseconds >= kPause);
  CHECK(qkv.nanoseconds >= kPause);
  CHECK(experts.flops == 5);
  CHECK(qkv.flops == 5);
  CHECK(qkv.calls == 2);
  CHECK(rest.nanoseconds >= kPause);
  std::int64_t sum = 0;
  for (std::size_t operation = 0; operation < kNumOperations; ++operation) {
    for (std::size_t pass = 0; pass < kNumPasses; ++pass) {
      sum += profile.entry(static_cast<Operation>(operation), static_cast<Pass>(pass)).nanoseconds;
    }
  }
  CHECK(sum >= 5 * kPause);
  CHECK(sum <= wall);  // a moment counted twice would make it more
}

TEST_CASE("profile: a step that is broken off counts for nothing", "[profile]") {
  Exec exec(ExecOptions{.num_threads = 1});
  Profile profile;
  {
    const ProfiledStep step(exec, &profile);
    const ProfileScope scope(exec, Pass::kForward, Operation::kNorm, 3);
  }
  CHECK(profile.num_steps() == 0);
  CHECK(profile.json() == R"({"num_steps":0,"ms":0.0,"flops":0.0,"operations":[]})");
  for (int i = 0; i < 2; ++i) {
    ProfiledStep step(exec, &profile);
    step.complete();
  }
  CHECK(profile.num_steps() == 2);
  CHECK(profile.entry(Operation::kNorm, Pass::kForward).calls == 0);
}

TEST_CASE("profile: inside a body of parallel_for the scope around the loop has the time", "[profile][threads]") {
  Exec exec(ExecOptions{.num_threads = 2});
  Profile profile;
  ProfiledStep step(exec, &profile);
  {
    const ProfileScope scope(exec, Pass::kForward, Operation::kExperts);
    exec.parallel_for(64, 1, [&](std::size_t, std::size_t, int) {
      const ProfileScope nested(exec, Pass::kForward, Operation::kRope, 1);
    });
  }
  step.complete();
  CHECK(profile.entry(Operation::kExperts, Pass::kForward).calls == 1);
  CHECK(profile.entry(Operation::kRope, Pass::kForward).calls == 0);
  CHECK(profile.entry(Operation::kRope, Pass::kForward).flops == 0);
}
