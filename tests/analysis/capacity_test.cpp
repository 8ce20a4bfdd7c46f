// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/capacity.hpp"

#include <numeric>

#include "analysis/traced_model.hpp"
#include "support/catch.hpp"

namespace minimoe::test {
namespace {

struct Recount {
  std::vector<std::int64_t> load = std::vector<std::int64_t>(4), dropped = load;
  std::vector<std::int64_t> position = std::vector<std::int64_t>(6), row = std::vector<std::int64_t>(4),
                            of_class = std::vector<std::int64_t>(3);
  std::int64_t skipped = 0;
};

/// Drops by position, from a trace of the choices: earlier tokens first, each expert up to its capacity.
Recount recount(const RoutingTrace& trace, const LayerTrace& layer, double factor) {
  Recount counts;
  for (std::size_t begin = 0; begin < trace.tokens.size(); begin += 24) {
    const std::size_t end = std::min(begin + 24, trace.tokens.size());
    const std::size_t capacity = expert_capacity(factor, end - begin, 2, 4);
    std::vector<std::size_t> taken(4);
    for (std::size_t t = begin; t < end; ++t) {
      int lost = 0;
      for (std::size_t k = 0; k < 2; ++k) {
        const auto e = static_cast<std::size_t>(layer.experts[t * 2 + k]);
        ++counts.load[e];
        if (taken[e]++ < capacity) continue;
        ++counts.dropped[e];
        ++counts.position[trace.positions[t]];
        ++counts.row[(t - begin) / 6];
        ++counts.of_class[trace.classes[t]];
        ++lost;
      }
      counts.skipped += lost == 2;
    }
  }
  return counts;
}

}  // namespace

TEST_CASE("capacity: drops by expert, position, row and class are those of a recount", "[analysis]") {
  const MiniGPT<double> model = traced_model(traced_config(0, 0.75));
  const MemorySource source = traced_source();
  Exec exec(threads(1));
  const RoutingTrace trace = trace_routing(exec, model, source, traced_windows());
  const CapacityUse use = capacity_use(exec, model, source, traced_windows(), 25);
  CHECK(use.split == std::string("val"));
  CHECK(use.capacity_factor == 0.75);
  CHECK(use.num_windows == 10);
  CHECK(use.num_batches == 3);
  REQUIRE(use.layers.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CAPTURE(i);
    const LayerCapacity& layer = use.layers[i];
    const Recount counts = recount(trace, trace.layers[i], 0.75);
    CHECK(layer.block == i);
    CHECK(layer.capacity == 9);  // 0.75 * 24 * 2 / 4
    CHECK(layer.num_assignments == 120);
    CHECK(layer.load == counts.load);
    CHECK(layer.dropped == counts.dropped);
    CHECK(layer.num_dropped == std::accumulate(counts.dropped.begin(), counts.dropped.end(), std::int64_t{0}));
    CHECK(layer.num_dropped >= 28);  // 12 in a batch that has room for 36 of 48
    CHECK(layer.num_skipped_tokens == counts.skipped);
    for (std::size_t s = 0; s < 6; ++s) CHECK(layer.by_position[s] == static_cast<double>(counts.position[s]) / 20);
    for (std::size_t r = 0; r < 4; ++r) {
      CHECK(layer.by_row[r] == static_cast<double>(counts.row[r]) / (r < 2 ? 36 : 24));  // the last batch has two rows
    }
    for (std::size_t c = 0; c < 3; ++c) {
      CHECK(layer.classes[c].dropped == counts.of_class[c]);
      CHECK(layer.classes[c].drop_rate ==
            static_cast<double>(counts.of_class[c]) / static_cast<double>(2 * layer.classes[c].count));
      CHECK(layer.classes[c].enough == (layer.classes[c].count >= 25));
    }
  }
}

TEST_CASE("capacity: the loss without drops is that of the same weights without a limit, bit for bit", "[analysis]") {
  const MemorySource source = traced_source();
  Exec exec(threads(1));
  const MiniGPT<double> tight = traced_model(traced_config(0.5, 0.75)), free = traced_model(traced_config());
  const CapacityReport with = capacity_report(exec, tight, source, traced_windows());
  const CapacityReport without = capacity_report(exec, free, source, traced_windows());
  CHECK(with.train.capacity_factor == 0.5);
  CHECK(with.evaluation.capacity_factor == 0.75);
  CHECK(with.train.loss_without_drops == without.train.loss);
  CHECK(with.evaluation.loss_without_drops == without.evaluation.loss);
  CHECK(with.train.loss != without.train.loss);
  CHECK(with.evaluation.loss != without.evaluation.loss);
  CHECK(with.evaluation.difference == Approx(with.evaluation.loss - without.evaluation.loss).epsilon(1e-9));
  CHECK(with.evaluation.standard_error > 0);
  CHECK(with.train.layers[0].num_dropped > with.evaluation.layers[0].num_dropped);
  for (const CapacityUse* use : {&without.train, &without.evaluation}) {
    CHECK(use->difference == 0);
    CHECK(use->standard_error == 0);
    CHECK(use->layers[0].num_dropped == 0);
    CHECK(use->layers[0].capacity == 24);
  }
  CHECK_THAT(capacity_text(without), ContainsSubstring("no capacity limit, nothing is dropped"));
  CHECK_THAT(capacity_text(with), ContainsSubstring("above 5 %"));
}

TEST_CASE("capacity: the straggler is the expert with the most rows, and every expert is timed", "[analysis]") {
  const MemorySource source = traced_source();
  Exec exec(threads(1));
  const MiniGPT<double> model = traced_model(traced_config(0.5, 0.75));
  const CapacityReport report = capacity_report(exec, model, source, traced_windows());
  const RoutingTrace trace = trace_routing(exec, traced_model(traced_config()), source, traced_windows(4));
  REQUIRE(report.stragglers.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const Straggler& straggler = report.stragglers[i];
    std::vector<std::int64_t> load(4);
    for (const std::int32_t e : trace.layers[i].experts) ++load[static_cast<std::size_t>(e)];
    const auto most = std::max_element(load.begin(), load.end());
    CHECK(straggler.block == i);
    CHECK(straggler.expert == static_cast<std::size_t>(most - load.begin()));
    CHECK(straggler.row_share == Approx(static_cast<double>(*most) / 48));
    REQUIRE(straggler.seconds.size() == 4);
    for (std::size_t e = 0; e < 4; ++e) CHECK((straggler.seconds[e] > 0) == (load[e] > 0));
    CHECK(straggler.seconds_together > 0);
    CHECK(straggler.time_share > 0);
    CHECK(straggler.time_share <= 1);
    CHECK(straggler.slowdown >= 1);
    CHECK(straggler.layer_seconds > 0);
    CHECK(straggler.layer_time_share == std::min(1.0, straggler.seconds[straggler.expert] / straggler.layer_seconds));
  }
}

TEST_CASE("capacity: the training split is no evaluation split", "[analysis]") {
  Exec exec(threads(1));
  WindowChoice choice = traced_windows();
  choice.split = Split::kTrain;
  CHECK_THROWS_WITH(capacity_report(exec, traced_model(traced_config()), traced_source(), choice),
                    ContainsSubstring("name an evaluation split"));
}

}  // namespace minimoe::test
