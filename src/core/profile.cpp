// SPDX-License-Identifier: Apache-2.0
#include "minimoe/core/profile.hpp"

#include <algorithm>

#include "core/json_writer.hpp"

namespace minimoe {

const char* operation_name(Operation operation) {
  constexpr std::array<const char*, kNumOperations> kNames{
      "rest",    "data",         "zero_gradients", "embedding",     "norm",          "qkv",
      "rope",    "attention",    "proj",           "residual",      "router",        "dispatch",
      "experts", "feed_forward", "head",           "cross_entropy", "gradient_norm", "optimizer"};
  return kNames[static_cast<std::size_t>(operation)];
}

const char* pass_name(Pass pass) {
  constexpr std::array<const char*, kNumPasses> kNames{"step", "forward", "backward"};
  return kNames[static_cast<std::size_t>(pass)];
}

std::string Profile::json() const {
  const auto steps = static_cast<double>(std::max<std::int64_t>(1, num_steps_));
  const auto figures = [steps](JsonWriter& out, const Entry& entry) {
    out.member("ms", 1e-6 * static_cast<double>(entry.nanoseconds) / steps);
    out.member("flops", entry.flops / steps);
  };
  Entry total;
  JsonWriter list;
  list.begin('[');
  for (std::size_t operation = 0; operation < kNumOperations; ++operation) {
    for (std::size_t pass = 0; pass < kNumPasses; ++pass) {
      const Entry& e = sums_[operation * kNumPasses + pass];
      if (e.nanoseconds == 0) continue;
      total.nanoseconds += e.nanoseconds;
      total.flops += e.flops;
      list.begin('{').member("operation", operation_name(static_cast<Operation>(operation)));
      list.member("pass", pass_name(static_cast<Pass>(pass)));
      list.member("calls", static_cast<double>(e.calls) / steps);
      figures(list, e);
      list.end('}');
    }
  }
  list.end(']');
  JsonWriter out;
  out.begin('{').member("num_steps", num_steps_);
  figures(out, total);
  return out.raw_member("operations", list.text()).end('}').text();
}

ProfiledStep::ProfiledStep(Exec& exec, Profile* profile) : exec_(exec), profile_(profile) {
  exec_.set_profile(profile);
  if (profile_ == nullptr) return;
  profile_->step_.fill({});
  profile_->current_ = Profile::index(Operation::kRest, Pass::kStep);
  profile_->since_ = Profile::Clock::now();
}

void ProfiledStep::complete() {
  if (profile_ == nullptr) return;
  profile_->switch_to(Profile::index(Operation::kRest, Pass::kStep));
  for (std::size_t i = 0; i < profile_->sums_.size(); ++i) {
    Profile::Entry& sum = profile_->sums_[i];
    const Profile::Entry& step = profile_->step_[i];
    sum.nanoseconds += step.nanoseconds;
    sum.calls += step.calls;
    sum.flops += step.flops;
  }
  ++profile_->num_steps_;
}

}  // namespace minimoe
