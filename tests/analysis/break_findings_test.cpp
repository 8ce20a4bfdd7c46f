// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/break_findings.hpp"

#include <cmath>

#include "analysis/invented_runs.hpp"
#include "minimoe/core/error.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using namespace invented;

namespace {

Json found(const Json& runs) { return Json::parse(break_findings(runs.dump())); }

Json found_of_run(Json run, std::uint64_t window = 2) {
  run["window"] = window;
  return Json::parse(run_findings(run.dump()));
}

Json signal(const Json& broken, const std::string& name) {
  const Json report = found(break_runs("headstart", broken));
  for (const Json& s : report["seeds"][0]["signals"]) {
    if (s["signal"] == name) return s;
  }
  return "no such signal: " + name;
}

Json first_step(const Json& broken, const std::string& name) { return signal(broken, name)["first_step"]; }

Json claim(const Json& runs, const std::string& name) {
  const Json report = found(runs);
  for (const Json& c : report["claims"]) {
    if (c["claim"] == name) return c;
  }
  return "no such claim: " + name;
}

std::string outcome(const Json& runs, const std::string& name) {
  const Json c = claim(runs, name);
  if (!c.is_object()) return c;
  if (!c["decided"].get<bool>()) return "cannot tell";
  return c["holds"].get<bool>() ? "agrees" : "disagrees";
}

// The same run, over after 100 of the break's own 500 steps.
Json short_run(Json run) {
  run["config"]["train"]["steps"] = 100;
  run["lines"].erase(run["lines"].begin() + 2, run["lines"].end());
  return run;
}

Json short_runs(const std::string& name, const Json& broken) {
  Json runs = break_runs(name, broken);
  for (Json& run : runs["seeds"][0]["runs"]) run = short_run(run);
  return runs;
}

Json with_val_losses(const std::string& name, const std::vector<double>& broken) {
  Json runs = break_runs(name, even_run());
  runs["seeds"] = Json::array();
  for (std::size_t i = 0; i < broken.size(); ++i) runs["seeds"].push_back(seed(i, even_run(broken[i])));
  return runs;
}

std::string refusal(const Json& runs) {
  try {
    break_findings(runs.dump(), "here");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

std::string refusal_of_run(const Json& run) { return refusal(break_runs("headstart", run)); }

}  // namespace

TEST_CASE("run findings: the figures of a window are those of its lines together", "[break_findings]") {
  Json run = even_run();
  run["lines"][0]["layers"][0] = layer({30, 10, 0, 0}, {0.5, 0.5, 0, 0}, {3, 0, 0, 0});
  run["lines"][1]["layers"][0] = layer({50, 70, 0, 0}, {0.5, 0.1, 0.4, 0});  // three times the tokens
  run["lines"][1]["loss"] = 3.0;
  run["lines"][1]["aux_loss"] = 2.0;
  const Json window = found_of_run(run)["windows"][0];
  CHECK(window["first_step"] == 50);
  CHECK(window["last_step"] == 100);
  CHECK(window["loss"] == 2.5);
  CHECK(window["aux_loss"] == 1.5);
  CHECK(window["load"] == Json({80, 80, 0, 0}));
  const std::vector<double> probs = window["mean_probs"];
  CHECK(probs[0] == Approx(0.5));
  CHECK(probs[1] == Approx(0.2));
  CHECK(probs[2] == Approx(0.3));
  CHECK(window["effective_share"].get<double>() == Approx(0.5));
  const double entropy = -0.5 * std::log(0.5) - 0.2 * std::log(0.2) - 0.3 * std::log(0.3);
  CHECK(window["gate_mass_share"].get<double>() == Approx(std::exp(entropy) / 4));
  CHECK(window["largest_share"].get<double>() == Approx(0.5));
  CHECK(window["largest_gate_mass"].get<double>() == Approx(0.5));
  CHECK(window["max_violation"].get<double>() == Approx(1));
  CHECK(window["num_cold"] == 2);
  CHECK(window["num_dead"] == 2);
  CHECK(window["drop_rate"].get<double>() == Approx(3.0 / 160));
}

TEST_CASE("run findings: what is left at the end joins the last window", "[break_findings]") {
  const auto last_steps = [](std::uint64_t size) {
    std::vector<int> steps;
    const Json report = found_of_run(even_run(), size);
    for (const Json& window : report["windows"]) steps.push_back(window["last_step"]);
    return steps;
  };
  CHECK(last_steps(5) == std::vector<int>{250, 500});
  CHECK(last_steps(4) == std::vector<int>{200, 500});
  CHECK(last_steps(3) == std::vector<int>{150, 300, 500});
  CHECK(last_steps(6) == std::vector<int>{500});
  CHECK(last_steps(1 << 30) == std::vector<int>{500});
  CHECK(last_steps(1).size() == 10);
}

TEST_CASE("run findings: of several MoE layers the one whose counts are least even is told", "[break_findings]") {
  Json run = even_run();
  for (Json& line : run["lines"]) {
    Json second = layer({40, 20, 20, 20}, kFlat);
    second["block"] = 3;
    line["layers"].push_back(second);
  }
  run["lines"][3]["layers"][0] = layer(kOnOne, kFlat);
  const Json windows = found_of_run(run)["windows"];
  CHECK(windows[0]["load"] == Json({80, 40, 40, 40}));
  CHECK(windows[1]["load"] == Json({122, 26, 26, 26}));
}

TEST_CASE("run findings: verdict, samples and validation losses are handed on", "[break_findings]") {
  Json run = judged(even_run(1.25), "skewed", 3);
  run["health"]["layers"][0]["windows"][4]["reason"] = "uneven \"a\"";
  run["lines"][4]["interference"] = {{{"block", 1}, {"main_norm", 0.125}, {"cosine", nullptr}}};
  run["lines"][5]["val_loss"] = 1.5;
  run["lines"][6]["val_loss"] = nullptr;
  const Json report = found_of_run(run);
  CHECK(report["val_loss"] == 1.25);
  CHECK(report["verdict"] == "skewed");
  CHECK(report["verdict_windows"] == run["health"]["layers"][0]["windows"]);
  CHECK(report["interference"] == Json::array({{{"step", 250}, {"layers", run["lines"][4]["interference"]}}}));
  CHECK(report["val_losses"] == Json::array({{{"step", 300}, {"loss", 1.5}}, {{"step", 350}, {"loss", nullptr}}}));
  const Json dense = found_of_run(dense_run());
  CHECK(dense["verdict"].is_null());
  CHECK(dense["verdict_windows"] == Json::array());
  CHECK(dense["windows"][0] == Json({{"first_step", 50}, {"last_step", 100}, {"loss", 2.0}}));
}

TEST_CASE("break findings: the document has what breaks.json has, in its order", "[break_findings]") {
  const Json report = found(break_runs("headstart", collapsed_run()));
  const auto keys = [](const Json& object) {
    std::vector<std::string> names;
    for (const auto& [key, value] : object.items()) names.push_back(key);
    return names;
  };
  CHECK(keys(report) == std::vector<std::string>{"name", "concept", "claim", "claims", "change", "fix", "symptom",
                                                 "hidden_cause", "hint_1", "hint_2", "hint_3", "fix_diff", "recovery",
                                                 "seeds"});
  CHECK(keys(report["seeds"][0]) ==
        std::vector<std::string>{"seed", "signals", "fixed_healthy_from", "fixed_even_from", "runs"});
  CHECK(keys(report["seeds"][0]["runs"]) == std::vector<std::string>{"healthy", "broken", "dense", "fixed"});
  CHECK(report["name"] == "headstart");
  CHECK(report["change"] == Json({{"key", "model.moe.aux_loss_coef"}, {"healthy", 0.01}, {"broken", 0.0}}));
  CHECK(report["fix"] == Json::array({{{"key", "model.moe.aux_loss_coef"}, {"broken", 0.0}, {"fixed", 0.01}}}));
  CHECK(report["seeds"][0]["runs"]["broken"] == found_of_run(collapsed_run()));
}

TEST_CASE("break findings: no signal of an even run speaks", "[break_findings]") {
  const Json report = found(break_runs("headstart", even_run()));
  for (const Json& s : report["seeds"][0]["signals"]) {
    CAPTURE(s.dump());
    CHECK(s["first_step"].is_null());
  }
}

TEST_CASE("break findings: each signal speaks in the window of what it looks at", "[break_findings]") {
  Json run = even_run();
  run["lines"][4]["loss"] = 2.1;  // the window's mean is 2.05, above 2.04
  CHECK(first_step(run, "main loss") == 300);
  run["lines"][4]["loss"] = 2.07;
  CHECK(first_step(run, "main loss").is_null());
  run["lines"][9]["loss"] = nullptr;
  CHECK(first_step(run, "main loss") == 500);
  CHECK(signal(run, "main loss")["at_the_end"] == "nan (healthy twin 2.000)");

  run = even_run();
  run["lines"][2]["aux_loss"] = 1.3;  // the mean is 1.15
  CHECK(first_step(run, "aux loss") == 200);
  run["lines"][2]["aux_loss"] = 1.15;
  CHECK(first_step(run, "aux loss").is_null());

  CHECK(first_step(routed(even_run(), 6, {70, 10, 10, 10}, kFlat), "expert counts") == 400);
  CHECK(first_step(routed(even_run(), 6, {40, 20, 20, 20}, kFlat), "expert counts").is_null());
  run = routed(even_run(), 8, {34, 33, 32, 1}, kFlat);
  CHECK(first_step(run, "expert counts") == 500);
  CHECK(signal(run, "expert counts")["at_the_end"] == "effective experts 0.78 E, 1 cold (healthy twin 1.00 E, 0 cold)");

  CHECK(first_step(routed(even_run(), 2, kEven, kSharp), "gate mass") == 200);
  CHECK(first_step(routed(even_run(), 2, kEven, kSharp), "expert counts").is_null());

  run = even_run();
  run["lines"][1]["layers"][0]["dropped"] = {11, 0, 0, 0};  // of 200
  CHECK(first_step(run, "drop rate") == 100);
  run["lines"][1]["layers"][0]["dropped"] = {9, 0, 0, 0};
  CHECK(first_step(run, "drop rate").is_null());

  run = even_run();
  for (const auto& [line, norm] : {std::pair(0, 0.5), std::pair(4, 0.0), std::pair(8, 0.25)}) {
    run["lines"][line]["interference"] = {{{"block", 1}, {"main_norm", norm}}};
  }
  CHECK(first_step(run, "router gradient") == 250);
  CHECK(signal(run, "router gradient")["at_the_end"] == "0.25000 (healthy twin -)");

  CHECK(first_step(judged(even_run(), "at-risk", 3), "health verdict") == 400);
  CHECK(first_step(judged(even_run(), "untested", 3), "health verdict").is_null());

  CHECK(first_step(even_run(1.511), "validation loss") == 500);
  CHECK(first_step(even_run(1.509), "validation loss").is_null());
  CHECK(signal(even_run(1.511), "validation loss")["at_the_end"] == "1.5110 (healthy twin 1.5000, dense 1.5000)");
}

TEST_CASE("break findings: a verdict that is claimed agrees, disagrees, or cannot be told", "[break_findings]") {
  CHECK(outcome(break_runs("headstart", collapsed_run()), "collapsed") == "agrees");
  CHECK(outcome(break_runs("headstart", judged(even_run(), "sham", 2)), "collapsed") == "disagrees");
  CHECK(outcome(short_runs("headstart", collapsed_run()), "collapsed") == "cannot tell");
  CHECK(claim(break_runs("headstart", collapsed_run()), "collapsed")["text"] ==
        "\"collapsed\" at the end: yes; verdicts collapsed with 0.30 of the experts in effect and 0.30 of them by gate "
        "mass; a window first was collapsed by step 200");
  CHECK(outcome(break_runs("sham", judged(even_run(), "sham", 2)), "sham") == "agrees");
  CHECK(outcome(break_runs("sham", collapsed_run()), "sham") == "disagrees");
  CHECK(outcome(short_runs("sham", judged(even_run(), "sham", 0)), "sham") == "cannot tell");
  CHECK(outcome(break_runs("lr-spike", judged(even_run(), "skewed", 4)), "not-healthy") == "agrees");
  CHECK(outcome(break_runs("lr-spike", even_run()), "not-healthy") == "disagrees");
  CHECK(outcome(short_runs("lr-spike", judged(even_run(), "skewed", 0)), "not-healthy") == "cannot tell");
  CHECK(claim(short_runs("lr-spike", even_run()), "not-healthy")["text"] ==
        "not healthy at the end: no; verdicts healthy (100 steps; the break's own are 500)");
}

TEST_CASE("break findings: a share above 80 % is told where it can be reached", "[break_findings]") {
  const std::string name = "share-above-80-percent";
  CHECK(outcome(break_runs("aux-off", collapsed_run()), name) == "agrees");
  CHECK(outcome(break_runs("aux-off", even_run()), name) == "disagrees");
  CHECK(outcome(short_runs("aux-off", even_run()), name) == "cannot tell");
  Json early = short_run(collapsed_run());  // even in the two lines that are left
  early["lines"][0]["layers"][0] = early["lines"][1]["layers"][0] = layer(kOnOne, kSharp);
  CHECK(outcome(short_runs("aux-off", early), name) == "agrees");  // more steps cannot take it back
  Json two = short_runs("aux-off", even_run());
  for (Json& run : two["seeds"][0]["runs"]) run["config"]["model"]["moe"]["top_k"] = 2;
  CHECK(outcome(two, name) == "disagrees");  // nor can they bring what is impossible
  CHECK(claim(two, name)["text"] ==
        "one expert above 80 % of the assignments: no; the most in any window was 0.25. It cannot be reached: a token "
        "names 2 different experts, so no expert can have more than 50 %");
}

TEST_CASE("break findings: the main loss looks fine up to 2 % above the twin's in the worst window",
          "[break_findings]") {
  Json run = even_run();
  run["lines"][4]["loss"] = 2.06;
  CHECK(outcome(break_runs("headstart", run), "main-loss-fine") == "agrees");
  CHECK(claim(break_runs("headstart", run), "main-loss-fine")["text"] ==
        "the main loss looks fine: yes; against the healthy twin it was, in the worst window, higher by 1.5 %");
  CHECK(outcome(short_runs("headstart", run), "main-loss-fine") == "cannot tell");
  run["lines"][5]["loss"] = 2.06;
  CHECK(outcome(break_runs("headstart", run), "main-loss-fine") == "disagrees");
  run["lines"][5]["loss"] = nullptr;
  CHECK(outcome(break_runs("headstart", run), "main-loss-fine") == "disagrees");
  CHECK(claim(break_runs("headstart", run), "main-loss-fine")["text"].get<std::string>().find("by inf %") !=
        std::string::npos);
}

TEST_CASE("break findings: worse than dense in every seed, by more than 0.01", "[break_findings]") {
  CHECK(outcome(with_val_losses("aux-off", {1.511, 1.52}), "worse-than-dense") == "agrees");
  CHECK(outcome(with_val_losses("aux-off", {1.511, 1.509}), "worse-than-dense") == "disagrees");
  CHECK(outcome(short_runs("aux-off", even_run(1.75)), "worse-than-dense") == "cannot tell");
  CHECK(claim(with_val_losses("aux-off", {1.75}), "worse-than-dense")["text"] ==
        "validation more than 0.01 worse than dense: yes; broken minus dense +0.2500 nats");
  CHECK(claim(with_val_losses("aux-off", {1.25, 1.375, 1.5}), "worse-than-dense")["text"] ==
        "validation more than 0.01 worse than dense: no; broken minus dense -0.1250 ± 0.1250 nats");
}

TEST_CASE("break findings: the symptom is the last window, one figure a seed", "[break_findings]") {
  Json runs = break_runs("headstart", collapsed_run());
  runs["seeds"].push_back(seed(8, even_run()));
  for (const char* which : {"broken", "healthy"}) {
    runs["seeds"][0]["runs"][which]["lines"][8]["interference"] = {{{"block", 1}, {"main_norm", 0.5}}};
  }
  CHECK(found(runs)["symptom"] ==
        "Verdict collapsed, healthy (healthy twin: healthy, healthy). Steps 450 to 500: the busiest of 4 experts had "
        "0.97 / 0.25 of the assignments (even: 0.25), effective experts 0.30 / 1.00 E by counts and 0.30 / 1.00 E by "
        "gate mass, 3 / 0 cold; dropped 0 / 0 %. Main loss 2.000 / 2.000 (healthy twin 2.000 / 2.000), aux loss 1.000 "
        "/ 1.000. Norm of the router's gradient of the main loss 0.50000 / nan (healthy twin 0.50000 / nan). "
        "Validation: broken minus healthy +0.1250 ± 0.1768, broken minus dense +0.1250 ± 0.1768 nats (2 seeds).");
}

TEST_CASE("break findings: a recovery counts from where it lasts", "[break_findings]") {
  Json runs = break_runs("headstart", collapsed_run());
  Json& fixed = runs["seeds"][0]["runs"]["fixed"];
  for (const std::size_t line : {0, 1, 4, 5}) fixed["lines"][line]["layers"][0] = layer(kOnOne, kSharp);
  for (const std::size_t window : {0, 1}) fixed["health"]["layers"][0]["windows"][window]["verdict"] = "collapsed";
  Json report = found(runs);
  CHECK(report["seeds"][0]["fixed_even_from"] == 400);
  CHECK(report["seeds"][0]["fixed_healthy_from"] == 300);
  CHECK(report["recovery"] ==
        "From the broken weights, with the fix and a new schedule: seed 7 even from the window that ends at step 400 "
        "on, judged healthy from step 300. At the end effective experts 1.00 E by counts, 1.00 E by gate mass.");
  fixed = collapsed_run();
  report = found(runs);
  CHECK(report["seeds"][0]["fixed_even_from"].is_null());
  CHECK(report["seeds"][0]["fixed_healthy_from"].is_null());
  CHECK(report["recovery"] ==
        "From the broken weights, with the fix and a new schedule: seed 7 even never, not healthy by the end "
        "(collapsed). At the end effective experts 0.30 E by counts, 0.30 E by gate mass.");
}

TEST_CASE("break findings: what is wrong with the document is named by its path", "[break_findings]") {
  Json runs = break_runs("headstrat", even_run());
  CHECK(refusal(runs) ==
        "here: break is \"headstrat\" (a string), expected one of aux-off, headstart, many-experts, sham, "
        "gate-zero-init, renorm-top1, capacity-tight, lr-spike; did you mean headstart?");
  runs = break_runs("headstart", even_run());
  runs["schema"] = "minimoe-break-runs/2";
  CHECK(refusal(runs) == "here: schema is \"minimoe-break-runs/2\" (a string), expected \"minimoe-break-runs/1\"");
  runs = break_runs("headstart", even_run());
  runs["window"] = 0;
  CHECK(refusal(runs) == "here: window is 0, expected a number of lines, 1..2^40");
  runs = break_runs("headstart", even_run());
  runs["seeds"] = Json::array();
  CHECK(refusal(runs) == "here: seeds is a list, expected a seed or more");
  runs["seeds"] = {seed(7, even_run()), seed(7, even_run())};
  CHECK(refusal(runs) == "here: seeds[1].seed is 7, expected another seed than those before");
  runs = break_runs("headstart", even_run());
  runs["seeds"][0]["runs"].erase("dense");
  CHECK(refusal(runs) == "here: seeds[0].runs.dense is missing, expected a value");
  runs = break_runs("headstart", even_run());
  runs["seeds"][0]["runs"]["fixd"] = 1;
  CHECK(refusal(runs) == "here: seeds[0].runs.fixd: unknown key; did you mean fixed?");
  runs = break_runs("headstart", even_run());
  runs["seeds"][0]["runs"]["broken"]["directory"] = "here";
  CHECK(refusal(runs) == "here: seeds[0].runs.broken.directory: unknown key");
  runs = break_runs("headstart", even_run());
  runs["seeds"][0]["runs"]["healthy"] = dense_run();
  CHECK(refusal(runs) == "here: seeds[0].runs.healthy.lines is a list, expected lines of a model with MoE layers");
  runs = break_runs("headstart", even_run());
  runs["seeds"][0]["runs"]["healthy"]["lines"][1]["step"] = 99;
  CHECK(refusal(runs) == "here: seeds[0].runs.healthy.lines is a list, expected the steps of the broken run");
  CHECK_THROWS_WITH(break_findings(R"({"break": "sham", "break": "sham"})", "here"), "here: break stands there twice");
  CHECK_THROWS_WITH(break_findings("{", "here"), Catch::Contains("here: line 1"));
  CHECK_THROWS_WITH(run_findings(R"({"windw": 5})", "here"), "here: windw: unknown key; did you mean window?");
}

TEST_CASE("break findings: lines that no finished run can have are refused", "[break_findings]") {
  const std::string at = "here: seeds[0].runs.broken.";
  Json run = even_run();
  run["lines"].erase(9);
  CHECK(refusal_of_run(run) == at + "lines is a list, expected lines up to step 500 (train.steps), and the last is of "
                                    "step 450: the run is not finished");
  run = even_run();
  run["lines"][3]["step"] = 150;
  CHECK(refusal_of_run(run) == at + "lines[3].step is 150, expected a step above 150, that of the line before");
  run = even_run();
  run["lines"][3]["loss"] = "2";
  CHECK(refusal_of_run(run) == at + "lines[3].loss is \"2\" (a string), expected a finite number");
  run = even_run();
  run["lines"][3]["layers"][0]["load"][2] = -1;
  CHECK(refusal_of_run(run) == at + "lines[3].layers[0].load[2] is -1, expected a whole number of 0 or more");
  run["lines"][3]["layers"][0]["load"] = {50, 50};
  run["lines"][3]["layers"][0]["mean_probs"] = {0.5, 0.5};
  run["lines"][3]["layers"][0]["dropped"] = {0, 0};
  CHECK(refusal_of_run(run) == at + "lines[3].layers[0].load is a list, expected 4 counts, as in the first line");
  run = even_run();
  run["lines"][3]["layers"][0]["load"] = {0, 0, 0, 0};
  CHECK(refusal_of_run(run) == at + "lines[3].layers[0].load is a list, expected an assignment or more");
  run = even_run();
  run["lines"][3]["layers"][0]["load"] = {std::uint64_t{1} << 53, 1, 0, 0};
  CHECK(refusal_of_run(run) == at + "lines[3].layers[0].load is a list, expected counts that sum to 2^53 at most");
  run = even_run();
  run["lines"][3]["layers"][0]["mean_probs"] = {0.5, 0.5, 0.5, 0};
  CHECK(refusal_of_run(run) == at + "lines[3].layers[0].mean_probs is a list, expected probabilities that sum to 1 "
                                    "within 0.005, and these sum to 1.5");
  run["lines"][3]["layers"][0]["mean_probs"] = {1.5, -0.5, 0, 0};
  CHECK(refusal_of_run(run) == at + "lines[3].layers[0].mean_probs[1] is -0.5, expected a number of 0 or more");
  run["lines"][3]["layers"][0]["mean_probs"] = {0.5, 0.5, 0};
  CHECK(refusal_of_run(run) == at + "lines[3].layers[0].mean_probs is a list, expected 4 numbers, as load has");
  run = even_run();
  run["lines"][3]["layers"][0]["dropped"] = {101, 0, 0, 0};
  CHECK(refusal_of_run(run) ==
        at + "lines[3].layers[0].dropped is a list, expected no more than the 100 assignments of load");
  run = even_run();
  run["lines"][3]["layers"][0]["block"] = 2;
  CHECK(refusal_of_run(run) == at + "lines[3].layers[0].block is 2, expected 1, as in the first line");
  run = even_run();
  run["lines"][3]["layers"] = Json::array();
  CHECK(refusal_of_run(run) == at + "lines[3].layers is a list, expected 1 layers, as the first line has, not 0");
  run = even_run();
  run["config"]["model"]["moe"]["top_k"] = 5;
  CHECK(refusal_of_run(run) ==
        at + "lines[0].layers[0].load is a list, expected a list of 5..4096 counts (model.moe.top_k = 5)");
  run = even_run();
  run["health"] = nullptr;
  CHECK(refusal_of_run(run) == at + "health is null, expected the health report of a model with MoE layers");
  run = even_run();
  run["health"]["verdict"] = "fine";
  CHECK(refusal_of_run(run) == at + "health.verdict is \"fine\" (a string), expected one of healthy, untested, skewed, "
                                    "at-risk, sham, collapsed");
  run = even_run();
  run["health"]["verdict"] = "sham";
  CHECK(refusal_of_run(run) == at + "health.layers is a list, expected a layer with the verdict of all, \"sham\"");
  run = even_run();
  run["val_loss"] = nullptr;
  CHECK(refusal_of_run(run) == at + "val_loss is null, expected a finite number");
}
