// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "capi/bare_layer.hpp"
#include "capi/small_run.hpp"
#include "minimoe/train/run_config.hpp"

using namespace minimoe_test;

namespace {

// What is asked for surely suffices; the text may be shorter.
nlohmann::json interference_of(SmallRun& run) {
  std::size_t needed = 0;
  CHECK(minimoe_trainer_interference(run.trainer, nullptr, nullptr, 0, &needed, nullptr) == MINIMOE_E_BUFFER_TOO_SMALL);
  std::vector<char> text(needed);
  REQUIRE(minimoe_trainer_interference(run.trainer, nullptr, text.data(), text.size(), &needed, nullptr) == MINIMOE_OK);
  CHECK(needed <= text.size());
  return nlohmann::json::parse(text.data());
}

struct Log {
  std::vector<std::string> warnings;
  static void take(void* user_data, int32_t level, const char* message) {
    if (level == MINIMOE_LOG_WARNING) static_cast<Log*>(user_data)->warnings.emplace_back(message);
  }
};

std::string saturated_run(bool guard) {
  nlohmann::json run = nlohmann::json::parse(kSmallRun);
  run["model"]["moe"].update(
      {{"top_k", 1}, {"bias_guard", guard}, {"router_bias", true}, {"router_bias_init", {8, 0, 0, 0}}});
  return run.dump();
}

}  // namespace

TEST_CASE("trainer interference: one entry an MoE layer, and the run goes on as without it", "[capi]") {
  SmallRun run;
  REQUIRE(run.create());
  const nlohmann::json first = interference_of(run);
  REQUIRE(first.size() == 1);
  CHECK(first[0].at("block") == 1);
  CHECK(first[0].at("main_norm") > 0);
  CHECK(first[0].at("aux_norm") > 0);
  const double ratio = 0.01 * first[0].at("aux_norm").get<double>() / first[0].at("main_norm").get<double>();
  CHECK(first[0].at("scaled_ratio").get<double>() == Approx(ratio));
  CHECK(std::abs(first[0].at("cosine").get<double>()) <= 1);
  CHECK(first[0].size() == 5);
  for (int i = 0; i < 4; ++i) {
    REQUIRE(run.steps(1) == MINIMOE_OK);
    interference_of(run);
  }
  CHECK(run.weights() == weights_after(4));
}

TEST_CASE("trainer interference: refusals leave no trace", "[capi]") {
  SmallRun run;
  REQUIRE(run.create());
  char buf[4] = "abc";
  std::size_t needed = 0;
  CHECK(minimoe_trainer_interference(run.trainer, nullptr, buf, sizeof buf, &needed, nullptr) ==
        MINIMOE_E_BUFFER_TOO_SMALL);
  CHECK(std::string(buf) == "abc");
  minimoe_cancel_token* token = nullptr;
  REQUIRE(minimoe_cancel_token_create(&token, nullptr) == MINIMOE_OK);
  REQUIRE(minimoe_cancel_token_fire(token, nullptr) == MINIMOE_OK);
  std::vector<char> room(needed, 'x');
  CHECK(minimoe_trainer_interference(run.trainer, token, room.data(), room.size(), nullptr, nullptr) ==
        MINIMOE_E_CANCELLED);
  CHECK(std::count(room.begin(), room.end(), 'x') == static_cast<std::ptrdiff_t>(needed));
  minimoe_cancel_token_free(token);
  REQUIRE(run.steps(2) == MINIMOE_OK);
  CHECK(run.weights() == weights_after(2));
}

TEST_CASE("trainer steps: a saturated start with bias balancing warns the log once, unless the guard is off",
          "[capi]") {
  for (const bool guard : {true, false}) {
    Log log;
    SmallRun run;
    run.options.log = &Log::take;
    run.options.log_user_data = &log;
    run.options.log_level = MINIMOE_LOG_WARNING;
    REQUIRE(run.create(saturated_run(guard).c_str()));
    REQUIRE(run.steps(9) == MINIMOE_OK);
    CHECK(log.warnings.empty());
    REQUIRE(run.steps(20) == MINIMOE_OK);
    REQUIRE(log.warnings.size() == (guard ? 1 : 0));
    if (guard) CHECK(log.warnings[0].find("block 1: bias balancing began on a saturated router") != std::string::npos);
  }
}

TEST_CASE("config breaks: whole configurations that train, and every text", "[capi]") {
  const std::vector<char> text = BareLayer::read<char>([&](char* buf, std::size_t cap, std::size_t* needed) {
    return minimoe_config_breaks(buf, cap, needed, nullptr);
  });
  const auto breaks = nlohmann::json::parse(text.data());
  REQUIRE(breaks.size() == 8);
  for (const nlohmann::json& b : breaks) {
    INFO(b.at("name"));
    const std::string key = "/" + b.at("change").at("key").get<std::string>();
    std::string pointer = key;
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    for (const char* which : {"healthy", "broken"}) {
      CHECK(b.at(which).at(nlohmann::json::json_pointer(pointer)) == b.at("change").at(which));
      CHECK(minimoe::parse_run_config(b.at(which).dump()).problems().empty());
    }
    const std::string diff = b.at("fix_diff");
    CHECK(diff == "-" + key.substr(1) + " = " + b.at("change").at("broken").dump() + "\n+" + key.substr(1) + " = " +
                      b.at("change").at("healthy").dump());
    for (const char* name : {"concept", "claim", "hidden_cause", "hint_1", "hint_2", "hint_3"}) {
      CHECK_FALSE(b.at(name).get<std::string>().empty());
    }
  }
}
