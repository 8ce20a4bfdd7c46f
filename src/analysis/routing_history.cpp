// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/routing_history.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "minimoe/moe/load_statistics.hpp"

namespace minimoe {
namespace {

constexpr std::int64_t kFirstInterval = 10;
// Rows of E that one layer keeps; fewer where E is large, or the history would outgrow a small model.
std::size_t slots_for(std::size_t num_experts, std::size_t most, std::size_t least) {
  return std::clamp((std::size_t{1} << 15) / std::max<std::size_t>(1, num_experts), least, most);
}

std::vector<double> shares(const double* sums, std::size_t count) {
  std::vector<double> values(sums, sums + count);
  const double total = std::accumulate(values.begin(), values.end(), 0.0);
  if (!(total > 0) || !std::isfinite(total)) return {};
  for (double& value : values) value /= total;
  return values;
}

}  // namespace

RoutingHistory::RoutingHistory(std::size_t num_layers, std::size_t num_experts)
    : num_layers_(num_layers), num_experts_(num_experts), interval_(kFirstInterval) {
  make_store(recent_, slots_for(num_experts, 256, 64));
  make_store(older_, slots_for(num_experts, 128, 32));
}

void RoutingHistory::make_store(Store& store, std::size_t slots) const {
  store.slots = slots;
  store.sums.resize(slots * num_layers_);
  for (auto* rows : {&store.prob_sum, &store.gate_sum}) rows->resize(slots * num_layers_ * num_experts_);
  store.load.resize(slots * num_layers_ * num_experts_);
}

void RoutingHistory::clear() {
  num_steps_ = next_ = num_older_ = 0;
  interval_ = kFirstInterval;
  has_bias_ = false;
}

void RoutingHistory::clear_slot(Store& store, std::size_t slot) const {
  const std::size_t width = num_layers_ * num_experts_;
  std::fill_n(store.sums.begin() + static_cast<std::ptrdiff_t>(slot * num_layers_), num_layers_, Sum{});
  std::fill_n(store.load.data() + slot * width, width, std::int64_t{0});
  std::fill_n(store.prob_sum.data() + slot * width, width, 0.0);
  std::fill_n(store.gate_sum.data() + slot * width, width, 0.0);
}

void RoutingHistory::add_slot(Store& to, std::size_t to_slot, const Store& from, std::size_t from_slot) const {
  const std::size_t width = num_layers_ * num_experts_;
  for (std::size_t i = 0; i < width; ++i) {
    to.load[to_slot * width + i] += from.load[from_slot * width + i];
    to.prob_sum[to_slot * width + i] += from.prob_sum[from_slot * width + i];
    to.gate_sum[to_slot * width + i] += from.gate_sum[from_slot * width + i];
  }
  for (std::size_t layer = 0; layer < num_layers_; ++layer) {
    Sum& sum = to.sums[to_slot * num_layers_ + layer];
    const Sum& more = from.sums[from_slot * num_layers_ + layer];
    sum.step = more.step;
    sum.num_steps += more.num_steps;
    sum.num_tokens += more.num_tokens;
    sum.num_dropped += more.num_dropped;
    sum.violation_sum += more.violation_sum;
    sum.logit_square_sum += more.logit_square_sum;
    sum.z_sum += more.z_sum;
    sum.aux_loss = more.aux_loss;
    sum.bias_min = more.bias_min;
    sum.bias_max = more.bias_max;
  }
}

// Halves the number of sums; an odd last one stays by itself and goes on growing.
void RoutingHistory::join_older() {
  const std::size_t joined = (num_older_ + 1) / 2;
  for (std::size_t i = 0; i < joined; ++i) {
    if (i > 0) {
      clear_slot(older_, i);
      add_slot(older_, i, older_, 2 * i);
    }
    if (2 * i + 1 < num_older_) add_slot(older_, i, older_, 2 * i + 1);
  }
  num_older_ = joined;
  interval_ *= 2;
}

void RoutingHistory::add(std::int64_t step, const std::vector<RoutingStats>& layers) {
  if (num_layers_ == 0) return;
  if (num_steps_ == recent_.slots) {  // the oldest of the ring makes room
    const bool is_full = num_older_ == 0 || older_.sums[(num_older_ - 1) * num_layers_].num_steps >= interval_;
    if (is_full) {
      if (num_older_ == older_.slots) join_older();
      clear_slot(older_, num_older_++);
    }
    add_slot(older_, num_older_ - 1, recent_, next_);
  } else {
    ++num_steps_;
  }
  clear_slot(recent_, next_);
  for (std::size_t layer = 0; layer < num_layers_; ++layer) {
    const RoutingStats& stats = layers[layer];
    Sum& sum = recent_.sums[next_ * num_layers_ + layer];
    sum.step = step;
    sum.num_steps = 1;
    sum.num_tokens = stats.num_tokens;
    sum.num_dropped = stats.num_dropped;
    sum.violation_sum = max_violation(stats.load);
    sum.logit_square_sum = stats.logit_square_sum;
    sum.aux_loss = stats.aux_loss;
    sum.z_sum = stats.z_sum;
    const std::size_t row = (next_ * num_layers_ + layer) * num_experts_;
    std::copy(stats.load.begin(), stats.load.end(), recent_.load.data() + row);
    std::copy(stats.prob_sum.begin(), stats.prob_sum.end(), recent_.prob_sum.data() + row);
    std::copy(stats.gate_weight_sum.begin(), stats.gate_weight_sum.end(), recent_.gate_sum.data() + row);
  }
  next_ = (next_ + 1) % recent_.slots;
}

void RoutingHistory::set_bias_range(std::size_t layer, double low, double high) {
  if (num_steps_ == 0) return;
  Sum& sum = recent_.sums[(next_ + recent_.slots - 1) % recent_.slots * num_layers_ + layer];
  sum.bias_min = low;
  sum.bias_max = high;
  has_bias_ = true;
}

RouterLogEntry RoutingHistory::entry(const Store& store, std::size_t slot, std::size_t layer) const {
  const Sum& sum = store.sums[slot * num_layers_ + layer];
  const std::size_t row = (slot * num_layers_ + layer) * num_experts_;
  const double tokens = static_cast<double>(sum.num_tokens), steps = static_cast<double>(sum.num_steps);
  RouterLogEntry entry;
  entry.step = sum.step;
  entry.num_steps = sum.num_steps;
  entry.load.assign(store.load.data() + row, store.load.data() + row + num_experts_);
  entry.mean_probs = shares(store.prob_sum.data() + row, num_experts_);
  entry.gate_weight_share = shares(store.gate_sum.data() + row, num_experts_);
  entry.num_dropped = sum.num_dropped;
  entry.max_violation_batch = sum.violation_sum / steps;
  entry.router_logit_norm = std::sqrt(sum.logit_square_sum / tokens);
  entry.aux_loss = sum.aux_loss;
  entry.z_loss = sum.z_sum / tokens;
  if (has_bias_) {
    entry.bias_min = sum.bias_min;
    entry.bias_max = sum.bias_max;
  }
  return entry;
}

std::vector<RouterLayerLog> RoutingHistory::layers(std::size_t top_k, const std::vector<std::size_t>& blocks) const {
  std::vector<RouterLayerLog> logs(num_layers_);
  for (std::size_t layer = 0; layer < num_layers_; ++layer) {
    RouterLayerLog& log = logs[layer];
    log.layer = static_cast<std::int64_t>(layer);
    log.block = static_cast<std::int64_t>(blocks.at(layer));
    log.num_experts = num_experts_;
    log.top_k = top_k;
    for (std::size_t slot = 0; slot < num_older_; ++slot) log.entries.push_back(entry(older_, slot, layer));
    const std::size_t first = num_steps_ == recent_.slots ? next_ : 0;
    for (std::size_t i = 0; i < num_steps_; ++i) {
      log.entries.push_back(entry(recent_, (first + i) % recent_.slots, layer));
    }
  }
  return logs;
}

}  // namespace minimoe
