// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "capi/bare_layer.hpp"
#include "capi/small_run.hpp"
#include "support/temporary_directory.hpp"

using namespace minimoe_test;

namespace {

const std::string kLog = R"({"step":200,"layer":4,"top_k":1,"load":[9000,10,10,10]})";

nlohmann::json check(const std::string& log, const std::string& options = "") {
  const std::vector<char> text = BareLayer::read<char>([&](char* buf, std::size_t cap, std::size_t* needed) {
    return minimoe_health_check(log.data(), log.size(), options.data(), options.size(), buf, cap, needed, nullptr);
  });
  return nlohmann::json::parse(text.data());
}

nlohmann::json check(const SmallRun& run, const std::string& options = "") {
  const std::vector<char> text = BareLayer::read<char>([&](char* buf, std::size_t cap, std::size_t* needed) {
    return minimoe_trainer_health(run.trainer, options.data(), options.size(), buf, cap, needed, nullptr);
  });
  return nlohmann::json::parse(text.data());
}

}  // namespace

TEST_CASE("health check: a log and its options reach the rule", "[capi]") {
  const auto report = check(kLog);
  CHECK(report.at("verdict") == "collapsed");
  CHECK(report.at("layers").at(0).at("layer") == 4);
  CHECK(report.at("layers").at(0).at("figures").at("dead").empty());
  CHECK(report.at("layers").at(0).at("figures").at("cold") == std::vector<int>{1, 2, 3});
  CHECK(check(kLog, R"({"warmup":180})").at("verdict") == "untested");
  const auto limits = check(kLog, R"({"window":7,"collapsed_below":0,"always_chosen_above":1,"aux_loss_coef":0.5})");
  CHECK(limits.at("verdict") == "skewed");
  CHECK(limits.at("window") == 7);
  CHECK(limits.at("options").at("collapsed_below") == 0);
  CHECK(limits.at("options").at("aux_loss_coef") == 0.5);
}

TEST_CASE("health check: bad input is refused, and nothing is written", "[capi]") {
  char buf[64] = "untouched";
  const auto refuse = [&](const std::string& message, const std::string& log, const std::string& options) {
    MUST_FAIL(
        MINIMOE_E_INVALID_ARGUMENT, message,
        minimoe_health_check(log.data(), log.size(), options.data(), options.size(), buf, sizeof(buf), nullptr, err));
  };
  refuse("router log, line 2: load[1] is -1", kLog + "\n" + R"({"step":201,"layer":4,"top_k":1,"load":[1,-1,0,0]})",
         "");
  refuse("router log: no line", "", "");
  refuse("windw: unknown key; did you mean window?", kLog, R"({"windw":5})");
  refuse("window: 0, expected an integer 1..", kLog, R"({"window":0})");
  refuse("drop_rate_above: 2, expected a number 0..1", kLog, R"({"drop_rate_above":2})");
  CHECK(std::string(buf) == "untouched");
}

TEST_CASE("health check: bias_balancing changes the advice on a sham router", "[capi]") {
  const std::string sham =
      R"({"step":200,"layer":0,"top_k":1,"load":[900,900,900,900],"mean_probs":[0.94,0.02,0.02,0.02]})";
  const auto first_advice = [&](const std::string& options) {
    const auto report = check(sham, options);
    CHECK(report.at("verdict") == "sham");
    return report.at("layers").at(0).at("advice").at(0).get<std::string>();
  };
  CHECK(first_advice(R"({"bias_balancing":true})").find("a selection bias evens counts") == 0);
  CHECK(first_advice(R"({"bias_balancing":false})").find("let the balance loss") == 0);
  CHECK(first_advice("") == first_advice(R"({"bias_balancing":true})"));
  CHECK(check(sham, R"({"bias_balancing":false})").at("options").at("bias_balancing") == false);
  CHECK(check(sham).at("options").at("bias_balancing").is_null());
  const std::string wrong = R"({"bias_balancing":1})";
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "bias_balancing: 1, expected true or false",
            minimoe_health_check(sham.data(), sham.size(), wrong.data(), wrong.size(), nullptr, 0, nullptr, err));
}

TEST_CASE("trainer health: logit norm and bias range are those of the router itself", "[capi]") {
  // A router of weight 0 whose bias does not learn: every token has the logits (3, 0, -4, 0).
  const std::string text =
      R"({"model":{"vocab_size":13,"d_model":8,"num_heads":2,"max_seq_len":8,"num_layers":2,"d_ff":16,
      "moe":{"layers":[0,1],"num_experts":4,"top_k":2,"d_expert":16,"bias_balancing":true,"bias_update_rate":0.25,
      "bias_guard":false,"router_bias":true,"router_bias_init":[3,0,-4,0],"router_init_std":0,"router_learning_rate_factor":0}},
      "train":{"batch_size":2,"seq_len":8,"accumulation_steps":3,"steps":50,"warmup_steps":2,"seed":7}})";
  SmallRun run;
  REQUIRE(run.create(text.c_str()));
  REQUIRE(run.steps(5) == MINIMOE_OK);
  const std::vector<char> routing = BareLayer::read<char>([&](char* buf, std::size_t cap, std::size_t* needed) {
    return minimoe_trainer_routing(run.trainer, MINIMOE_ROUTING_STEP, buf, cap, needed, nullptr);
  });
  const auto step = nlohmann::json::parse(routing.data());
  const auto report = check(run);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    std::vector<float> bias(4);
    std::size_t needed = 0;
    const std::string name = "blocks." + std::to_string(layer) + ".moe.expert_bias";
    REQUIRE(minimoe_model_parameter_get(run.model, name.c_str(), bias.data(), 4, &needed, &run.error) == MINIMOE_OK);
    const auto [low, high] = std::minmax_element(bias.begin(), bias.end());
    REQUIRE(*low < *high);
    for (const auto& figures : {step.at(layer), report.at("layers").at(layer).at("figures")}) {
      CHECK(figures.at("router_logit_norm").get<double>() == Approx(5));
      CHECK(figures.at("bias_min") == *low);
      CHECK(figures.at("bias_max") == *high);
    }
    const auto& window = report.at("layers").at(layer).at("windows").back();
    CHECK(window.at("bias_max") == *high);
    CHECK(window.at("router_logit_norm").get<double>() == Approx(5));
  }
  CHECK(report.at("text").get<std::string>().find("router logit norm 5.000; selection bias -") != std::string::npos);
}

TEST_CASE("trainer health: judges the trainer's own steps, and begins anew with a resume", "[capi]") {
  SmallRun run;
  REQUIRE(run.create());
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "has done no step",
            minimoe_trainer_health(run.trainer, nullptr, 0, nullptr, 0, nullptr, err));
  REQUIRE(minimoe_trainer_steps(run.trainer, 20, nullptr, nullptr, 0, 0, nullptr, &run.error) == MINIMOE_OK);
  std::vector<std::int64_t> load(4);
  const auto report = check(run, R"({"window":1,"settle_steps":0})");
  const auto& layer = report.at("layers").at(0);
  CHECK(layer.at("layer") == 0);
  CHECK(layer.at("block") == 1);
  CHECK(layer.at("windows").size() == 18);  // the warm-up of two steps is not judged
  CHECK(report.at("warmup") == 2);
  CHECK(report.at("options").at("aux_loss_coef") == 0.01);
  CHECK(report.at("options").at("bias_balancing") == true);
  std::size_t needed = 0;
  REQUIRE(minimoe_trainer_expert_loads(run.trainer, MINIMOE_ROUTING_STEP, 0, load.data(), 4, &needed, &run.error) ==
          MINIMOE_OK);
  CHECK(layer.at("figures").at("load") == load);
  CHECK(layer.at("figures").at("bias_max").get<double>() > layer.at("figures").at("bias_min").get<double>());

  const TemporaryDirectory directory;
  const std::string path = directory.file("checkpoint.safetensors");
  REQUIRE(minimoe_trainer_save(run.trainer, path.c_str(), &run.error) == MINIMOE_OK);
  REQUIRE(minimoe_trainer_resume(run.trainer, path.c_str(), &run.error) == MINIMOE_OK);
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "since it was created or resumed",
            minimoe_trainer_health(run.trainer, nullptr, 0, nullptr, 0, nullptr, err));
  REQUIRE(minimoe_trainer_steps(run.trainer, 3, nullptr, nullptr, 0, 0, nullptr, &run.error) == MINIMOE_OK);
  CHECK(check(run).at("layers").at(0).at("figures").at("num_steps") == 3);
}
