// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/router_log.hpp"

#include "minimoe/core/error.hpp"
#include "support/catch.hpp"

using namespace minimoe;

namespace {

const std::string kGood = R"({"step":10,"layer":0,"top_k":2,"load":[6,4,5,5],"mean_probs":[0.3,0.2,0.25,0.25],)"
                          R"("num_dropped":1,"num_steps":10})";

// The message for a log whose third line is `line`.
std::string refusal(const std::string& line) {
  try {
    read_router_log(kGood + "\n\n" + line + "\n");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("router log: every key arrives", "[analysis]") {
  const auto layers = read_router_log(
      kGood + "\n" +
      R"({"step":12,"layer":0,"top_k":2,"load":[3,1,1,1],"gate_weight_share":[0.7,0.1,0.1,0.1],"num_steps":2,)"
      R"("max_violation_batch":0.75,"router_logit_norm":3,"aux_loss":1.1,"z_loss":2,"bias_min":-0.5,"bias_max":0.25})" +
      "\n" + R"({"step":9,"layer":1,"top_k":1,"load":[4.0,0]})");
  REQUIRE(layers.size() == 2);
  CHECK(layers[0].num_experts == 4);
  CHECK(layers[0].top_k == 2);
  REQUIRE(layers[0].entries.size() == 2);
  const RouterLogEntry &first = layers[0].entries[0], &second = layers[0].entries[1];
  CHECK(first.step == 10);
  CHECK(first.num_steps == 10);
  CHECK(first.load == std::vector<std::int64_t>{6, 4, 5, 5});
  CHECK(first.mean_probs == std::vector<double>{0.3, 0.2, 0.25, 0.25});
  CHECK(first.num_dropped == 1);
  CHECK(first.gate_weight_share.empty());
  CHECK_FALSE(first.aux_loss);
  CHECK(second.mean_probs.empty());
  CHECK_FALSE(second.num_dropped);
  CHECK(second.gate_weight_share == std::vector<double>{0.7, 0.1, 0.1, 0.1});
  CHECK(second.max_violation_batch == 0.75);
  CHECK(second.router_logit_norm == 3.0);
  CHECK(second.aux_loss == 1.1);
  CHECK(second.z_loss == 2.0);
  CHECK(second.bias_min == -0.5);
  CHECK(second.bias_max == 0.25);
  CHECK(layers[1].layer == 1);
  CHECK(layers[1].entries[0].load == std::vector<std::int64_t>{4, 0});
}

TEST_CASE("router log: of a long log the last lines of each layer are kept, and every line is checked", "[analysis]") {
  std::string text;
  for (int step = 1; step <= 45000; ++step) {
    text += concat(R"({"step":)", step, R"(,"layer":0,"top_k":1,"load":[1,)", step, "]}\n");
    if (step <= 20000) text += concat(R"({"step":)", step, R"(,"layer":1,"top_k":1,"load":[1,1]})", "\n");
  }
  const auto layers = read_router_log(text);
  REQUIRE(layers[0].entries.size() == kMostLogEntries);
  CHECK(layers[0].num_left_out == 25000);
  CHECK(layers[0].first.step == 1);
  CHECK(layers[0].entries.front().step == 25001);
  CHECK(layers[0].entries.front().load == std::vector<std::int64_t>{1, 25001});
  CHECK(layers[0].entries.back().step == 45000);
  CHECK(layers[1].entries.size() == 20000);
  CHECK(layers[1].num_left_out == 0);
  const std::size_t at = text.find(R"({"step":7,)");
  CHECK_THROWS_WITH(read_router_log(text.replace(at + 8, 1, "6")), ContainsSubstring("router log, line 13: step is 6"));
  // 2048 experts: 8192 lines are 2^24 counts.
  std::string wide = "1";
  for (int e = 1; e < 2048; ++e) wide += ",1";
  std::string many;
  for (int step = 1; step <= 8200; ++step) {
    many += concat(R"({"step":)", step, R"(,"layer":0,"top_k":1,"load":[)", wide, "]}\n");
  }
  CHECK(read_router_log(many)[0].num_left_out == 8);
}

TEST_CASE("router log: what no router can have done is refused, with its line", "[analysis]") {
  struct Case {
    const char *line, *message;
  };
  const Case cases[] = {
      {R"({"layer":0,"top_k":2,"load":[1,1,1,1]})", "step is missing"},
      {R"({"step":20,"top_k":2,"load":[1,1,1,1]})", "layer is missing"},
      {R"({"step":20,"layer":0,"load":[1,1,1,1]})", "top_k is missing"},
      {R"({"step":20,"layer":0,"top_k":2})", "load is missing"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,1],"mean_prob":[1,0,0,0]})",
       "mean_prob: unknown key; did you mean mean_probs?"},
      {R"({"step":20,"step":21,"layer":0,"top_k":2,"load":[1,1,1,1]})", "step stands there twice"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[-1,1,1,1]})", "load[0] is -1, expected an integer 0.."},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1.5,1,1]})", "load[1] is 1.5, expected an integer 0.."},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,"1"]})", "load[3] is \"1\" (a string), expected an integer"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,9007199254740993]})", "load[3] is 9007199254740993"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[0,0,0,0]})", "load has no assignment"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[]})", "load is a list of 0, expected a list of 1..4096 counts"},
      {R"({"step":20,"layer":0,"top_k":2,"load":7})", "load is 7, expected a list"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,2]})", "load sums to 5, which top_k = 2 does not divide"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[5,1,1,1]})", "load[0] is 5, above the 4 tokens"},
      {R"({"step":20,"layer":0,"top_k":5,"load":[5,5,5,5]})", "top_k is 5, load has 4 experts"},
      {R"({"step":20,"layer":0,"top_k":0,"load":[1,1,1,1]})", "top_k is 0, expected an integer 1..4096"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,2]})", "load has 3 experts, layer 0 had 4 before"},
      {R"({"step":20,"layer":0,"top_k":1,"load":[1,1,1,1]})", "top_k is 1, layer 0 had 2 before"},
      {R"({"step":10,"layer":0,"top_k":2,"load":[1,1,1,1]})", "step is 10, layer 0 was at 10 before; steps must rise"},
      {R"({"step":9,"layer":0,"top_k":2,"load":[1,1,1,1]})", "step is 9, layer 0 was at 10 before"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,1],"num_steps":11})", "num_steps is 11, only 10 lie between"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,1],"num_steps":0})", "num_steps is 0, expected an integer 1.."},
      {R"({"step":20,"layer":1,"top_k":2,"load":[1,1,1,1],"num_steps":22})", "num_steps is 22, the log is at step 20"},
      {R"({"step":-1,"layer":0,"top_k":2,"load":[1,1,1,1]})", "step is -1, expected an integer 0.."},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,1],"mean_probs":[0.3,0.3,0.2,0.1]})",
       "mean_probs sums to 0.9, expected 1 within 0.005"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,1],"mean_probs":[0.5,0.5]})",
       "mean_probs is a list of 2, expected 4 numbers, as load has"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,1],"mean_probs":[-0.5,0.5,0.5,0.5]})",
       "mean_probs[0] is -0.5, expected a number 0.."},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,1],"mean_probs":[NaN,0.5,0.5,0]})", "NaN and Infinity are no"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,NaN,1]})", "NaN and Infinity are no JSON numbers"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,1],"aux_loss":1e400})", "number overflow"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,1],"num_dropped":5})",
       "num_dropped is 5, load has 4 assignments"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,1],"num_dropped":-1})",
       "num_dropped is -1, expected an integer"},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,1],"aux_loss":-1})", "aux_loss is -1, expected a number 0.."},
      {R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,1],"max_violation_batch":1.06})",
       "max_violation_batch is 1.06, expected at most E / K - 1 = 1"},
      {R"({"step":null,"layer":0,"top_k":2,"load":[1,1,1,1]})", "step is null, expected an integer"},
      {R"([1,2])", "a list, expected an object"},
      {R"({"step":20,)", "column"},
  };
  for (const Case& c : cases) {
    INFO(c.line);
    const std::string message = refusal(c.line);
    CHECK_THAT(message, ContainsSubstring("router log, line 3: "));
    CHECK_THAT(message, ContainsSubstring(c.message));
    CHECK(message.find('\n') == std::string::npos);
  }
}

TEST_CASE("router log: null stands for an optional key that is not there", "[analysis]") {
  const auto layers = read_router_log(
      R"({"step":20,"layer":0,"top_k":2,"load":[1,1,1,1],"mean_probs":null,"num_dropped":null,"num_steps":null,)"
      R"("block":null,"max_violation_batch":null})");
  const RouterLogEntry& entry = layers.at(0).entries.at(0);
  CHECK(entry.mean_probs.empty());
  CHECK_FALSE(entry.num_dropped);
  CHECK(entry.num_steps == 1);
  CHECK_FALSE(layers[0].block);
}

TEST_CASE("router log: a text without a line is refused", "[analysis]") {
  for (const char* text : {"", "\n", " \n\t\n"}) {
    CHECK_THROWS_WITH(read_router_log(text), ContainsSubstring("router log: no line"));
  }
}

TEST_CASE("router log: probabilities may be off by the stated tolerance, and no more", "[analysis]") {
  const auto with_sum = [](double last) {
    return concat(R"({"step":1,"layer":0,"top_k":1,"load":[1,1],"mean_probs":[0.5,)", last, "]}");
  };
  CHECK_NOTHROW(read_router_log(with_sum(0.5049)));
  CHECK_NOTHROW(read_router_log(with_sum(0.4951)));
  CHECK_THROWS(read_router_log(with_sum(0.5051)));
  CHECK_THROWS(read_router_log(with_sum(0.4949)));
}
