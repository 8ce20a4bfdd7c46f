// SPDX-License-Identifier: Apache-2.0
#include <functional>
#include <minimoe.hpp>

#include "capi/small_run.hpp"
#include "support/catch.hpp"

namespace minimoe_test {
namespace {

namespace capi = minimoe::capi;

// Eight windows of eight tokens each, and their 16 assignments a window.
struct Lab {
  capi::Options options = capi::Options().num_threads(1);
  capi::Model model = capi::Model(kSmallRun, options);
  capi::Dataset dataset = capi::Dataset::create(kSmallData, options);
  Lab() { dataset.append(small_tokens(400)); }
};

constexpr const char* kFewDraws =
    R"({"max_windows":0,"num_permutations":9,"num_bootstrap":9,"num_tables":2,"num_routers":2,"num_word_shuffles":2})";

minimoe_status status_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const capi::Error& error) {
    return error.status();
  }
  return MINIMOE_OK;
}

}  // namespace

TEST_CASE("capi routing trace: one entry a layer, token and choice; padding goes nowhere", "[capi]") {
  const Lab lab;
  const std::vector<std::int32_t> tokens = small_tokens(16);
  std::vector<std::uint8_t> valid(16, 1);
  valid[15] = 0;
  const capi::RoutingTrace trace = lab.model.routing_trace(tokens, 8, valid);
  REQUIRE(trace.experts.size() == 32);
  REQUIRE(trace.weights.size() == 32);
  REQUIRE(trace.kept.size() == 32);
  for (std::size_t t = 0; t < 15; ++t) {
    CHECK(trace.experts[2 * t] != trace.experts[2 * t + 1]);
    CHECK(trace.weights[2 * t] + trace.weights[2 * t + 1] == Approx(1));
    CHECK(trace.kept[2 * t] + trace.kept[2 * t + 1] == 2);
  }
  CHECK(trace.experts[30] == -1);
  CHECK(trace.weights[31] == 0);
  CHECK(trace.kept[31] == 0);

  std::size_t needed[3] = {};
  std::vector<std::int32_t> ids(32);
  std::vector<float> values(31, 7);
  std::vector<std::uint8_t> labels(32);
  CHECK(minimoe_model_routing_trace(lab.model.handle(), tokens.data(), 16, nullptr, 0, 8, ids.data(), 32, &needed[0],
                                    values.data(), 31, &needed[1], labels.data(), 32, &needed[2],
                                    nullptr) == MINIMOE_E_BUFFER_TOO_SMALL);
  CHECK((needed[0] == 32 && needed[1] == 32 && needed[2] == 32));
  CHECK(values == std::vector<float>(31, 7));
}

TEST_CASE("capi routing trace: a dense model has nothing to tell", "[capi]") {
  const capi::Model dense(R"({"model":{"vocab_size":13,"d_model":8,"num_heads":2,"max_seq_len":8,"moe":{"layers":[]}},
                              "train":{"seq_len":8}})");
  CHECK(dense.routing_trace(small_tokens(8), 8).experts.empty());
  const Lab lab;
  CHECK(status_of([&] { dense.specialisation(lab.dataset, "val"); }) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(status_of([&] { dense.capacity_report(lab.dataset, "val"); }) == MINIMOE_E_INVALID_ARGUMENT);
}

TEST_CASE("capi specialisation: too small a buffer is told before anything is computed, and the room suffices",
          "[capi]") {
  const Lab lab;
  std::size_t needed = 0;
  char small[8];
  CHECK(minimoe_model_specialisation(lab.model.handle(), lab.dataset.handle(), "val", kFewDraws, std::strlen(kFewDraws),
                                     nullptr, small, sizeof small, &needed, nullptr) == MINIMOE_E_BUFFER_TOO_SMALL);
  const std::string text = lab.model.specialisation(lab.dataset, "val", kFewDraws);
  CHECK(text.size() < needed);
  CHECK_THAT(text, ContainsSubstring("\"by\":\"frequency\""));
  CHECK_THAT(text, ContainsSubstring("\"conclusion\":"));
  CHECK(status_of([&] { lab.model.specialisation(lab.dataset, "train", kFewDraws); }) == MINIMOE_E_INVALID_ARGUMENT);
}

TEST_CASE("capi specialisation: wrong options, splits and a fired token are refused", "[capi]") {
  const Lab lab;
  const auto asked = [&](const std::string& split, const std::string& json, const capi::CancelToken* cancel = nullptr) {
    return status_of([&] { lab.model.specialisation(lab.dataset, split, json, cancel); });
  };
  CHECK(asked("val", R"({"num_permutation":9})") == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(asked("val", R"({"num_bootstrap":0})") == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(asked("held-out-verbs", kFewDraws) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(asked("valid", kFewDraws) == MINIMOE_E_INVALID_ARGUMENT);
  const capi::CancelToken token;
  token.fire();
  CHECK(asked("val", kFewDraws, &token) == MINIMOE_E_CANCELLED);
  CHECK(status_of([&] { lab.model.capacity_report(lab.dataset, "train"); }) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(status_of([&] { lab.model.capacity_report(lab.dataset, "val", "{}", &token); }) == MINIMOE_E_CANCELLED);
  CHECK_THAT(lab.model.capacity_report(lab.dataset, "val"), ContainsSubstring("nothing is dropped"));
}

}  // namespace minimoe_test
