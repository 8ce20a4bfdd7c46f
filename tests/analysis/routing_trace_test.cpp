// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/routing_trace.hpp"

#include "analysis/random_router.hpp"
#include "analysis/traced_model.hpp"
#include "minimoe/analysis/specialisation.hpp"
#include "support/catch.hpp"

namespace minimoe::test {

TEST_CASE("routing trace: is what a forward of the same windows leaves", "[analysis]") {
  const ModelConfig config = traced_config(0, 1);
  const MiniGPT<double> model = traced_model(config);
  const MemorySource source = traced_source();
  Exec exec(threads(1));
  const RoutingTrace trace = trace_routing(exec, model, source, traced_windows());
  REQUIRE(trace.num_windows == 10);
  REQUIRE(trace.tokens.size() == 60);
  REQUIRE(trace.layers.size() == 2);

  Arena arena;
  ModelCache<double> cache;
  arena.build([&](Arena& a) { cache.plan(a, config, 4, 6, 1, false); });
  std::vector<std::int32_t> window(7), batch_tokens;
  std::vector<std::uint8_t> classes(7);
  for (std::size_t first = 0; first < 10; first += 4) {
    const std::size_t rows = std::min<std::size_t>(4, 10 - first);
    batch_tokens.clear();
    for (std::size_t r = 0; r < rows; ++r) {
      source.eval_window(Split::kVal, first + r, window, classes);
      for (std::size_t s = 0; s < 6; ++s) {
        const std::size_t t = (first + r) * 6 + s;
        CHECK(trace.tokens[t] == window[s]);
        CHECK(trace.classes[t] == classes[s]);
        CHECK(trace.windows[t] == first + r);
        CHECK(trace.positions[t] == s);
        batch_tokens.push_back(window[s]);
      }
    }
    TokenBatch batch;
    batch.tokens = {batch_tokens.data(), {rows * 6}};
    batch.batch_size = rows;
    batch.seq_len = 6;
    model.forward(exec, batch, false, cache);
    for (std::size_t i = 0; i < 2; ++i) {
      const LayerTrace& layer = trace.layers[i];
      CHECK(layer.block == i);
      const MoECache<double>& moe = cache.blocks[i].moe;
      bool same = true;
      for (std::size_t n = 0; n < rows * 6 * 2; ++n) {
        const std::size_t at = first * 6 * 2 + n;
        same = same && layer.experts[at] == moe.topk_idx_TK.data()[n] &&
               layer.weights[at] == static_cast<float>(moe.gate_weights_TK.data()[n]) &&
               layer.kept[at] == moe.kept_TK.data()[n];
      }
      CHECK(same);
      CHECK(std::count(layer.kept.begin(), layer.kept.end(), 0) > 0);  // else `kept` shows nothing
    }
  }
}

TEST_CASE("routing trace: a model or split that has nothing to show is refused", "[analysis]") {
  const MemorySource source = traced_source();
  Exec exec(threads(1));
  ModelConfig dense = traced_config();
  dense.moe_layers.clear();
  CHECK_THROWS_WITH(trace_routing(exec, traced_model(dense), source, traced_windows()), ContainsSubstring("is dense"));
  const MiniGPT<double> model = traced_model(traced_config());
  WindowChoice choice = traced_windows();
  choice.split = Split::kHeldOutVerbs;
  CHECK_THROWS_WITH(trace_routing(exec, model, source, choice),
                    ContainsSubstring("has no split held-out-verbs to evaluate"));
  choice = traced_windows(0);
  choice.split = Split::kTrain;
  CHECK_THROWS_WITH(trace_routing(exec, model, source, choice), ContainsSubstring("max_windows is 0"));
  choice = traced_windows();
  choice.seq_len = 7;
  CHECK_THROWS_WITH(trace_routing(exec, model, source, choice), ContainsSubstring("seq_len is 7, expected 1..6"));
  CancelFlag cancel;
  cancel.fire();
  CHECK_THROWS_WITH(trace_routing(exec, model, source, traced_windows(), &cancel), ContainsSubstring("cancelled"));
}

TEST_CASE("specialisation: a model's report has the same bits for any number of threads", "[analysis][threads]") {
  const MiniGPT<double> model = traced_model(traced_config());
  const MemorySource source = traced_source();
  const auto report = [&](int num_threads) {
    Exec exec(threads(num_threads));
    return specialisation_json(model_specialisation(exec, model, source, traced_windows(0), {}));
  };
  const std::string one = report(1);
  CHECK(report(2) == one);
  CHECK(report(3) == one);
}

TEST_CASE("specialisation: a source without classes is divided by frequency, and says so", "[analysis]") {
  const MiniGPT<double> model = traced_model(traced_config());
  const MemorySource source = traced_source(false);
  Exec exec(threads(1));
  const SpecialisationReport report = model_specialisation(exec, model, source, traced_windows(0), {});
  CHECK(report.by_frequency);
  CHECK(report.class_names.front() == "1-10");
  REQUIRE(report.layers.size() == 2);
  for (std::size_t b = 0; b < report.class_names.size(); ++b) {
    CHECK(report.layers[0].classes[b].count == report.layers[0].frequencies[b].count);
  }
  CHECK_THAT(specialisation_json(report), ContainsSubstring("\"by\":\"frequency\""));
  CHECK_THAT(specialisation_text(report), ContainsSubstring("no token classes"));
}

TEST_CASE("specialisation: random routers favour no expert, whatever all inputs have in common", "[analysis]") {
  constexpr std::size_t kTokens = 2000, kWidth = 12, kExperts = 4;
  const RandomStream stream(4, "inputs");
  std::vector<double> x(kTokens * kWidth);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 5 + stream.normal(i);  // a norm's bias, say
  Exec exec(threads(1));
  const auto choices = [&](const std::string& name) {
    return random_router_choices<double>(exec, View<const double, 2>(x.data(), {kTokens, kWidth}), kExperts, 1, 7,
                                         name);
  };
  for (const char* name : {"one", "other"}) {
    std::vector<std::size_t> load(kExperts);
    for (const std::int32_t e : choices(name)) ++load[static_cast<std::size_t>(e)];
    for (const std::size_t count : load) CHECK(count > kTokens / (2 * kExperts));
  }
  CHECK(choices("one") == choices("one"));
  CHECK(choices("one") != choices("other"));
}

}  // namespace minimoe::test
