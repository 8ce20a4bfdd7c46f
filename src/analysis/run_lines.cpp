// SPDX-License-Identifier: Apache-2.0
#include "analysis/run_lines.hpp"

#include <cmath>
#include <limits>
#include <numeric>

namespace minimoe {
namespace {

constexpr std::uint64_t kMostLineExperts = 4096;
constexpr std::uint64_t kMostLineCount = std::uint64_t{1} << 53;  // a double, and so a figure, holds it exactly
constexpr double kNotFinite = std::numeric_limits<double>::quiet_NaN();

double finite_or_nan(const JsonCursor& loss) { return loss.is_null() ? kNotFinite : loss.number(); }

std::vector<std::int64_t> read_counts(const JsonCursor& list, std::uint64_t& sum) {
  std::vector<std::int64_t> counts;
  sum = 0;
  for (const std::uint64_t count : list.counts()) {
    if (count > kMostLineCount - sum) list.refuse("counts that sum to 2^53 at most");
    sum += count;
    counts.push_back(static_cast<std::int64_t>(count));
  }
  return counts;
}

std::vector<double> read_probabilities(const JsonCursor& list, std::size_t num_experts) {
  std::vector<double> probs = list.numbers();
  if (probs.size() != num_experts) list.refuse(concat(num_experts, " numbers, as load has"));
  for (const JsonCursor& item : list.items()) {
    if (item.number() < 0) item.refuse("a number of 0 or more");
  }
  const double sum = std::accumulate(probs.begin(), probs.end(), 0.0);
  if (!(std::abs(sum - 1) <= kProbabilitySumTolerance)) {
    list.refuse(concat("probabilities that sum to 1 within ", kProbabilitySumTolerance, ", and these sum to ", sum));
  }
  return probs;
}

RouterLogEntry read_layer(const JsonCursor& layer, std::int64_t step, std::uint64_t top_k) {
  RouterLogEntry entry;
  entry.step = step;
  const JsonCursor load = layer.at("load"), dropped = layer.find("dropped");
  std::uint64_t sum = 0, num_dropped = 0;
  entry.load = read_counts(load, sum);
  if (entry.load.size() < top_k || entry.load.empty() || entry.load.size() > kMostLineExperts) {
    load.refuse(concat("a list of ", top_k, "..", kMostLineExperts, " counts (model.moe.top_k = ", top_k, ")"));
  }
  if (sum == 0) load.refuse("an assignment or more");
  entry.mean_probs = read_probabilities(layer.at("mean_probs"), entry.load.size());
  if (!dropped.is_null() && read_counts(dropped, num_dropped).size() != entry.load.size()) {
    dropped.refuse(concat(entry.load.size(), " counts, as load has"));
  }
  if (num_dropped > sum) dropped.refuse(concat("no more than the ", sum, " assignments of load"));
  entry.num_dropped = static_cast<std::int64_t>(num_dropped);
  return entry;
}

}  // namespace

RunLines read_run_lines(const JsonCursor& list, std::uint64_t top_k) {
  RunLines lines;
  std::vector<std::uint64_t> blocks;
  for (const JsonCursor& line : list.items()) {
    const JsonCursor step_number = line.at("step"), layers = line.find("layers");
    const std::uint64_t number = step_number.count();
    if (number > kMostLineCount) step_number.refuse("a step of 2^53 at most");
    const auto step = static_cast<std::int64_t>(number);
    if (!lines.steps.empty() && step <= lines.steps.back()) {
      step_number.refuse(concat("a step above ", lines.steps.back(), ", that of the line before"));
    }
    const std::vector<JsonCursor> routers = layers.is_null() ? std::vector<JsonCursor>() : layers.items();
    if (lines.steps.empty()) {
      for (const JsonCursor& router : routers) blocks.push_back(router.at("block").count());
      lines.layers.resize(routers.size());
    }
    if (routers.size() != lines.layers.size()) {
      layers.refuse(concat(lines.layers.size(), " layers, as the first line has, not ", routers.size()));
    }
    for (std::size_t l = 0; l < routers.size(); ++l) {
      const JsonCursor block = routers[l].at("block");
      if (block.count() != blocks[l]) block.refuse(concat(blocks[l], ", as in the first line"));
      std::vector<RouterLogEntry>& entries = lines.layers[l];
      entries.push_back(read_layer(routers[l], step, top_k));
      const std::size_t num_experts = entries.front().load.size();
      if (entries.back().load.size() != num_experts) {
        routers[l].at("load").refuse(concat(num_experts, " counts, as in the first line"));
      }
    }
    lines.steps.push_back(step);
    lines.loss.push_back(finite_or_nan(line.at("loss")));
    lines.aux_loss.push_back(finite_or_nan(line.at("aux_loss")));
  }
  if (lines.steps.empty()) list.refuse("a line or more");
  return lines;
}

}  // namespace minimoe
