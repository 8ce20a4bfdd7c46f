// SPDX-License-Identifier: Apache-2.0
#include "train/step_balance.hpp"

#include <algorithm>

#include "minimoe/moe/balance_loss.hpp"

namespace minimoe {

StepBalance::StepBalance(const ModelConfig& model, std::size_t accumulation_steps)
    : moe_(model.moe),
      accumulation_steps_(accumulation_steps),
      routing_(model.moe_layers.size()),
      global_load_(model.moe_layers.size() * model.moe.num_experts) {
  begin();
}

void StepBalance::begin() {
  for (RoutingStats& stats : routing_) stats.reset(moe_.num_experts);
  std::fill(global_load_.begin(), global_load_.end(), 0);
  aux_sum_ = z_sum_ = 0;
}

bool StepBalance::needs_counting() const {
  return !routing_.empty() && moe_.aux_loss_scope == AuxLossScope::kGlobalBatch && accumulation_steps_ > 1;
}

void StepBalance::count(const std::vector<RoutingStats>& routing) {
  for (std::size_t layer = 0; layer < routing_.size(); ++layer) {
    const std::vector<std::int64_t>& load = routing[layer].load;
    for (std::size_t e = 0; e < load.size(); ++e) global_load_[layer * load.size() + e] += load[e];
  }
}

void StepBalance::set_gradients(std::vector<BalanceGradient>& gradients, double aux, double z, std::int64_t num_tokens,
                                std::int64_t num_sequences) {
  if (routing_.empty()) return;
  double share = 1.0 / static_cast<double>(routing_.size());
  if (per_micro_batch()) share /= static_cast<double>(accumulation_steps_);
  for (std::size_t layer = 0; layer < routing_.size(); ++layer) {
    BalanceGradient& balance = gradients[layer];
    balance = BalanceGradient{};
    balance.aux_coef = aux * share;
    balance.z_coef = z * share;
    if (per_micro_batch()) continue;
    balance.num_tokens = num_tokens;
    balance.num_sequences = num_sequences;
    if (needs_counting()) {
      balance.global_load = {global_load_.data() + layer * moe_.num_experts, {moe_.num_experts}};
    }
  }
}

void StepBalance::add(const std::vector<RoutingStats>& routing, std::int64_t num_sequences) {
  const double weight = per_micro_batch() ? 1.0 : static_cast<double>(num_sequences);
  for (std::size_t layer = 0; layer < routing_.size(); ++layer) {
    routing_[layer].add(routing[layer]);
    aux_sum_ += weight * routing[layer].aux_loss;
    z_sum_ += routing[layer].z_loss;
  }
}

void StepBalance::write(StepMetrics& metrics, std::int64_t num_sequences) const {
  metrics.aux_loss = metrics.z_loss = 0;
  if (routing_.empty()) return;
  const double layers = static_cast<double>(routing_.size());
  const double micros = static_cast<double>(accumulation_steps_);
  double z_total = 0, global_aux = 0;
  for (const RoutingStats& stats : routing_) {
    z_total += stats.z_sum / static_cast<double>(stats.num_tokens);
    global_aux += switch_aux_loss({stats.prob_sum.data(), {stats.prob_sum.size()}},
                                  {stats.load.data(), {stats.load.size()}}, stats.num_tokens, moe_.top_k);
  }
  switch (moe_.aux_loss_scope) {
    case AuxLossScope::kMicroBatch:
      metrics.aux_loss = aux_sum_ / (layers * micros);
      metrics.z_loss = z_sum_ / (layers * micros);
      break;
    case AuxLossScope::kSequence:
      metrics.aux_loss = aux_sum_ / (layers * static_cast<double>(num_sequences));
      metrics.z_loss = z_total / layers;
      break;
    case AuxLossScope::kGlobalBatch:
      metrics.aux_loss = global_aux / layers;
      metrics.z_loss = z_total / layers;
      break;
  }
}

}  // namespace minimoe
