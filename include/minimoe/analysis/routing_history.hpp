// SPDX-License-Identifier: Apache-2.0
// What the routers did since a training began, in bounded memory: the last steps one by one, older ones summed.
#pragma once

#include "minimoe/analysis/router_log.hpp"
#include "minimoe/moe/routing_stats.hpp"

namespace minimoe {

/// Allocates in its constructor only. The last num_recent() steps are kept as they are; what leaves them is added to
/// sums of interval() steps, and when there is no room for another sum, neighbours are joined and the interval doubles.
class RoutingHistory {
 public:
  /// @param num_experts E, the same in every layer
  RoutingHistory(std::size_t num_layers, std::size_t num_experts);

  /// One completed step. @param layers one entry an MoE layer; their bias range as bias_range() tells.
  /// Neither allocates nor throws when the sizes are those of the constructor.
  void add(std::int64_t step, const std::vector<RoutingStats>& layers);
  /// Range of the selection bias of `layer` after the step that was added last.
  void set_bias_range(std::size_t layer, double low, double high);
  void clear();

  bool empty() const { return num_steps_ == 0; }
  std::size_t num_recent() const { return recent_.slots; }
  std::int64_t interval() const { return interval_; }
  /// The history as a log; `blocks` names the layers.
  std::vector<RouterLayerLog> layers(std::size_t top_k, const std::vector<std::size_t>& blocks) const;

 private:
  // Sums of one layer over some steps, beside its E-sized rows.
  struct Sum {
    std::int64_t step = 0, num_steps = 0, num_tokens = 0, num_dropped = 0;
    double violation_sum = 0, logit_square_sum = 0, aux_loss = 0, z_sum = 0, bias_min = 0, bias_max = 0;
  };
  // Slots of layers x E rows.
  struct Store {
    std::size_t slots = 0;
    std::vector<Sum> sums;
    std::vector<std::int64_t> load;
    std::vector<double> prob_sum, gate_sum;
  };

  void make_store(Store& store, std::size_t slots) const;
  void clear_slot(Store& store, std::size_t slot) const;
  void add_slot(Store& to, std::size_t to_slot, const Store& from, std::size_t from_slot) const;
  void join_older();
  RouterLogEntry entry(const Store& store, std::size_t slot, std::size_t layer) const;

  std::size_t num_layers_, num_experts_;
  Store recent_, older_;
  std::size_t num_steps_ = 0;  // of recent_ in use, as a ring
  std::size_t next_ = 0;       // slot of the next step
  std::size_t num_older_ = 0;  // sums in use; the last may be unfinished
  std::int64_t interval_ = 1;
  bool has_bias_ = false;
};

}  // namespace minimoe
