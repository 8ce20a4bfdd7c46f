// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/moe_layer.hpp"

#include <algorithm>
#include <limits>

#include "minimoe/core/profile.hpp"
#include "moe/balance_scope.hpp"
#include "moe/dispatch.hpp"
#include "moe/experts.hpp"
#include "moe/permute.hpp"
#include "moe/router.hpp"
#include "moe/shared_gate.hpp"

namespace minimoe {
namespace {

FeedForwardConfig expert_config(const MoEConfig& config, std::size_t num_widths = 1) {
  return {.d_model = config.d_model,
          .d_ff = num_widths * config.d_expert,
          .kind = config.ffn,
          .gelu = config.gelu,
          .init_std = config.init_std,
          .init_std_down = config.init_std_down};
}

/// Lists the tokens that are routed.
template <class T>
void select_valid(MoECache<T>& cache, std::size_t num_tokens, View<const std::uint8_t, 1> valid) {
  std::size_t n = 0;
  for (std::size_t t = 0; t < num_tokens; ++t) {
    if (!valid || valid.data()[t]) cache.token_N.data()[n++] = static_cast<std::int32_t>(t);
  }
  cache.num_tokens = num_tokens;
  cache.num_valid = n;
}

/// Sums in double, in token order, whatever the number of threads was.
template <class T>
void count_routing(RoutingStats& stats, const MoECache<T>& cache) {
  const std::size_t num_experts = cache.router_probs_TE.shape(1), top_k = cache.topk_idx_TK.shape(1);
  double* prob_sum = stats.prob_sum.data();
  for (std::size_t n = 0; n < cache.num_valid; ++n) {
    const std::int32_t t = cache.token_N.data()[n];
    const T* logits = cache.router_logits_TE.row(t);
    const T* probs = cache.router_probs_TE.row(t);
    for (std::size_t e = 0; e < num_experts; ++e) prob_sum[e] += static_cast<double>(probs[e]);
    double squares[4] = {};  // fixed lanes, which need not wait for each other
    for (std::size_t e = 0; e < num_experts; ++e) {
      squares[e % 4] += static_cast<double>(logits[e]) * static_cast<double>(logits[e]);
    }
    stats.logit_square_sum += (squares[0] + squares[1]) + (squares[2] + squares[3]);
    const double lse = cache.lse_T.data()[t];
    stats.z_sum += lse * lse;
    for (std::size_t k = 0; k < top_k; ++k) {
      const std::int32_t e = cache.topk_idx_TK.row(t)[k];
      ++stats.load[e];
      stats.gate_weight_sum[e] += static_cast<double>(cache.gate_weights_TK.row(t)[k]);
    }
  }
  stats.num_tokens = static_cast<std::int64_t>(cache.num_valid);
  stats.z_loss = cache.num_valid > 0 ? stats.z_sum / static_cast<double>(cache.num_valid) : 0;
}

}  // namespace

template <class T>
void MoECache<T>::plan(Arena& arena, const MoEConfig& config, std::size_t max_tokens) {
  const std::size_t num_experts = config.num_experts, top_k = config.top_k, max_rows = max_tokens * top_k;
  require(max_rows <= std::numeric_limits<std::int32_t>::max(), "moe_cache.plan: ", max_tokens, " tokens * top_k ",
          top_k, " is more than 2^31 - 1 assignments");
  const std::array<std::size_t, 2> shape_TE{max_tokens, num_experts}, shape_TK{max_tokens, top_k};
  const std::array<std::size_t, 2> shape_RD{max_rows, config.d_model};
  const std::array<std::size_t, 1> shape_T{max_tokens}, shape_E{num_experts};

  router_logits_TE = arena.take<T>(shape_TE);
  router_probs_TE = arena.take<T>(shape_TE);
  if (config.resolved_gate_order() == GateOrder::kSigmoidTopkRenorm) scores_TE = arena.take<T>(shape_TE);
  d_logits_NE = arena.take<T>(shape_TE);
  topk_idx_TK = arena.take<std::int32_t>(shape_TK);
  gate_weights_TK = arena.take<T>(shape_TK);
  d_gate_weights_TK = arena.take<T>(shape_TK);
  kept_TK = arena.take<std::uint8_t>(shape_TK);
  slot_row_TK = arena.take<std::int32_t>(shape_TK);
  lse_T = arena.take<double>(shape_T);
  token_N = arena.take<std::int32_t>(shape_T);
  if (config.drop_priority == DropPriority::kProbability) order_T = arena.take<std::int32_t>(shape_T);
  row_token_R = arena.take<std::int32_t>(std::array<std::size_t, 1>{max_rows});
  expert_begin = arena.take<std::int64_t>(std::array<std::size_t, 1>{num_experts + 1});
  count_E = arena.take<std::int64_t>(shape_E);
  value_E = arena.take<double>(shape_E);
  x_RD = arena.take<T>(shape_RD);
  y_RD = arena.take<T>(shape_RD);
  experts_R.plan(arena, expert_config(config), max_rows);
  if (config.num_shared_experts > 0) {
    shared.plan(arena, expert_config(config, config.num_shared_experts), max_tokens);
    d_shared_TD = arena.take<T>(std::array<std::size_t, 2>{max_tokens, config.d_model});
  }
  if (config.shared_expert_gate) {
    const std::array<std::size_t, 2> shape_T1{max_tokens, 1};
    shared_ND = arena.take<T>(std::array<std::size_t, 2>{max_tokens, config.d_model});
    shared_row_T1 = arena.take<std::int32_t>(shape_T1);
    shared_gate_T1 = arena.take<T>(shape_T1);
    d_shared_gate_T1 = arena.take<T>(shape_T1);
  }
  num_tokens = num_valid = 0;
  holds_forward = false;
}

template <class T>
MoELayer<T>::MoELayer(const MoEConfig& config, MemoryResource* resource) : config_(config) {
  require_no_problems(config.problems());
  const std::size_t num_experts = config.num_experts, d_model = config.d_model, d_expert = config.d_expert;
  router_weight_ = make_parameter<T, 2>({num_experts, d_model}, resource);
  if (config.router_bias) router_bias_ = make_parameter<T, 1>({num_experts}, resource);
  expert_bias_ = make_parameter<T, 1>({num_experts}, resource);
  const bool swiglu = config.ffn == FfnKind::kSwiglu;
  if (swiglu) w_gate_proj_ = make_parameter<T, 3>({num_experts, d_expert, d_model}, resource);
  w_up_proj_ = make_parameter<T, 3>({num_experts, d_expert, d_model}, resource);
  w_down_proj_ = make_parameter<T, 3>({num_experts, d_model, d_expert}, resource);
  if (!swiglu) {
    b_up_proj_ = make_parameter<T, 2>({num_experts, d_expert}, resource);
    b_down_proj_ = make_parameter<T, 2>({num_experts, d_model}, resource);
  }
  if (config.num_shared_experts > 0) shared_.emplace_back(expert_config(config, config.num_shared_experts), resource);
  if (config.shared_expert_gate) shared_gate_ = make_parameter<T, 2>({1, d_model}, resource);
}

template <class T>
void MoELayer<T>::collect_parameters(const std::string& prefix, ParameterList<T>& list) {
  ParameterTraits router{.decay = Decay::kYes, .init_std = config_.router_init_std};
  router.learning_rate_factor = config_.router_learning_rate_factor;
  add_parameter(list, dotted_name(prefix, "router.weight"), router_weight_, router);
  ParameterTraits router_bias{.learning_rate_factor = config_.router_learning_rate_factor};
  if (!config_.router_bias_init.empty()) router_bias.init_values = &config_.router_bias_init;
  add_parameter(list, dotted_name(prefix, "router.bias"), router_bias_, router_bias);
  add_parameter(list, dotted_name(prefix, "expert_bias"), expert_bias_, {.role = Role::kBuffer});

  const ParameterTraits weight{.decay = Decay::kYes, .init_std = config_.init_std};
  const ParameterTraits weight_down{.decay = Decay::kYes, .init_std = config_.init_std_down};
  add_parameter(list, dotted_name(prefix, "experts.w_gate_proj"), w_gate_proj_, weight);
  add_parameter(list, dotted_name(prefix, "experts.w_up_proj"), w_up_proj_, weight);
  add_parameter(list, dotted_name(prefix, "experts.b_up_proj"), b_up_proj_, {});
  add_parameter(list, dotted_name(prefix, "experts.w_down_proj"), w_down_proj_, weight_down);
  add_parameter(list, dotted_name(prefix, "experts.b_down_proj"), b_down_proj_, {});
  for (FeedForward<T>& shared : shared_) shared.collect_parameters(dotted_name(prefix, "shared"), list);
  add_parameter(list, dotted_name(prefix, "shared_gate.weight"), shared_gate_, weight);
}

template <class T>
ExpertWeights<T> MoELayer<T>::expert_weights() const {
  return {w_gate_proj_.value, w_up_proj_.value, w_down_proj_.value, b_up_proj_.value, b_down_proj_.value};
}

template <class T>
void MoELayer<T>::check_call(const char* where, In<T, 2> x, const RoutingContext& context,
                             const MoECache<T>& cache) const {
  const std::size_t num_tokens = x.shape(0);
  const auto fail = [&](const auto&... message) { throw Error(ErrorCode::kShape, concat(where, ": ", message...)); };
  if (x.shape(1) != config_.d_model) {
    fail("x is ", shape_string(x.shape()), ", expected [T, ", config_.d_model, "] (d_model = ", config_.d_model, ")");
  }
  if (num_tokens > cache.router_logits_TE.shape(0)) {
    fail("x is ", shape_string(x.shape()), ", the cache is planned for ", cache.router_logits_TE.shape(0), " tokens");
  }
  if (context.valid && context.valid.size() != num_tokens) {
    fail("valid is ", shape_string(context.valid.shape()), ", expected [", num_tokens, "] (x is ",
         shape_string(x.shape()), ")");
  }
  if (config_.aux_loss_scope == AuxLossScope::kSequence &&
      (context.seq_len == 0 || num_tokens % context.seq_len != 0)) {
    fail("seq_len is ", context.seq_len, ", expected a divisor of the ", num_tokens, " tokens");
  }
}

template <class T>
void MoELayer<T>::forward_shared(Exec& exec, View<T, 2> y, In<T, 2> x, MoECache<T>& cache) const {
  const std::size_t num_valid = cache.num_valid;
  const bool padded = num_valid < cache.num_tokens;
  const View<const std::int32_t, 1> token_N(cache.token_N.data(), {num_valid});
  In<T, 2> x_ND = x;
  if (padded) {
    // The experts' row buffers are free until the experts run.
    const View<T, 2> gathered = cache.x_RD.rows(0, num_valid);
    gather_rows(exec, gathered, x, token_N);
    x_ND = gathered;
  }
  if (shared_gate_) {
    const View<T, 2> shared_ND = cache.shared_ND.rows(0, num_valid);
    shared_.front().forward(exec, shared_ND, x_ND, cache.shared);
    shared_gate_forward(exec, cache.shared_gate_T1.rows(0, cache.num_tokens), x, shared_gate_.value);
    number_rows(cache.shared_row_T1.rows(0, cache.num_tokens), token_N);
    combine_forward<T>(exec, y, shared_ND, cache.shared_gate_T1, cache.shared_row_T1, false);
    return;
  }
  if (!padded) {
    shared_.front().forward(exec, y, x, cache.shared);
    return;
  }
  const View<T, 2> y_ND = cache.y_RD.rows(0, num_valid);
  shared_.front().forward(exec, y_ND, x_ND, cache.shared);
  std::fill_n(y.data(), y.size(), T(0));
  scatter_rows_add(exec, y, y_ND, token_N);
}

template <class T>
void MoELayer<T>::forward(Exec& exec, View<T, 2> y, In<T, 2> x, const RoutingContext& context, MoECache<T>& cache,
                          RoutingStats& stats) const {
  check_call("moe_layer.forward", x, context, cache);
  check_shape("moe_layer.forward", "y", y, x.shape());
  const std::size_t num_tokens = x.shape(0);
  cache.holds_forward = false;
  ProfileScope scope(exec, Pass::kForward, Operation::kRouter,
                     product_flops(num_tokens, config_.num_experts, config_.d_model));
  select_valid(cache, num_tokens, context.valid);

  const View<const std::int32_t, 1> token_N(cache.token_N.data(), {cache.num_valid});
  router_logits_forward(exec, cache.router_logits_TE.rows(0, num_tokens), x, router_weight_.value, router_bias_.value,
                        token_N);
  gate_forward(exec, cache, expert_bias_.value, config_);

  stats.reset(config_.num_experts);
  count_routing(stats, cache);
  stats.aux_loss = aux_loss_forward(cache, stats, config_, context.seq_len);

  scope.next(Operation::kDispatch);
  double factor = context.training ? config_.capacity_factor : config_.eval_capacity_factor;
  if (context.dropless) factor = 0;
  const std::size_t capacity = expert_capacity(factor, cache.num_valid, config_.top_k, config_.num_experts);
  const std::array<std::size_t, 1> shape_E{config_.num_experts};
  stats.num_dropped = drop_over_capacity(cache, {stats.dropped.data(), shape_E}, {stats.load.data(), shape_E}, capacity,
                                         config_.drop_priority);
  group_by_expert(cache);

  const bool has_shared = !shared_.empty();
  if (has_shared) forward_shared(exec, y, x, cache);
  const auto num_rows = static_cast<std::size_t>(cache.expert_begin(config_.num_experts));
  gather_rows(exec, cache.x_RD, x, {cache.row_token_R.data(), {num_rows}});
  scope.next(Operation::kExperts, experts_flops(expert_config(config_), num_rows));
  experts_forward(exec, cache.y_RD, cache.experts_R, cache.x_RD, cache.expert_begin, expert_weights(), config_.gelu);
  scope.next(Operation::kDispatch);
  combine_forward(exec, y, cache.y_RD, cache.gate_weights_TK, cache.slot_row_TK, has_shared);
  cache.holds_forward = true;
}

template <class T>
void MoELayer<T>::backward_shared_add(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> x_ND, MoECache<T>& cache) {
  const std::size_t num_valid = cache.num_valid;
  const View<const std::int32_t, 1> token_N(cache.token_N.data(), {num_valid});
  In<T, 2> d_y_ND = d_y;
  if (num_valid < cache.num_tokens) {
    const View<T, 2> spent = cache.x_RD.rows(0, num_valid);
    gather_rows(exec, spent, d_y, token_N);
    d_y_ND = spent;
  }
  const View<T, 2> d_x_ND = cache.d_shared_TD.rows(0, num_valid);
  shared_.front().backward(exec, d_x_ND, d_y_ND, x_ND, cache.shared);
  scatter_rows_add(exec, d_x, d_x_ND, token_N);
}

template <class T>
void MoELayer<T>::backward_gated_shared_add(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> x_ND,
                                            MoECache<T>& cache) {
  const std::size_t num_valid = cache.num_valid;
  const View<const std::int32_t, 1> token_N(cache.token_N.data(), {num_valid});
  const View<T, 2> shared_ND = cache.shared_ND.rows(0, num_valid), d_x_ND = cache.d_shared_TD.rows(0, num_valid);
  combine_backward<T>(exec, shared_ND, cache.d_shared_gate_T1, d_y, cache.shared_gate_T1, cache.shared_row_T1);
  shared_.front().backward(exec, d_x_ND, shared_ND, x_ND, cache.shared);
  scatter_rows_add(exec, d_x, d_x_ND, token_N);
  shared_gate_backward<T>(exec, d_x_ND, shared_gate_.gradient, cache.d_shared_gate_T1, cache.shared_gate_T1, x_ND,
                          shared_gate_.value, token_N);
  scatter_rows_add(exec, d_x, d_x_ND, token_N);
}

template <class T>
void MoELayer<T>::backward(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> x, const RoutingContext& context,
                           MoECache<T>& cache, const BalanceGradient& balance) {
  check_call("moe_layer.backward", x, context, cache);
  check_shape("moe_layer.backward", "d_y", d_y, x.shape());
  check_shape("moe_layer.backward", "d_x", d_x, x.shape());
  if (!cache.holds_forward || cache.num_tokens != x.shape(0)) {
    throw Error(ErrorCode::kInvalidArgument,
                concat("moe_layer.backward: x is ", shape_string(x.shape()), ", the cache holds ",
                       cache.holds_forward ? concat("a forward of ", cache.num_tokens, " tokens")
                                           : std::string("no forward (each forward serves one backward)")));
  }
  if (balance.global_load && balance.global_load.size() != config_.num_experts) {
    throw Error(ErrorCode::kInvalidArgument,
                concat("moe_layer.backward: global_load is ", shape_string(balance.global_load.shape()), ", expected [",
                       config_.num_experts, "]"));
  }
  cache.holds_forward = false;
  const std::size_t num_tokens = cache.num_tokens, num_valid = cache.num_valid;
  const View<const std::int32_t, 1> token_N(cache.token_N.data(), {num_valid});

  ProfileScope scope(exec, Pass::kBackward, Operation::kDispatch);
  combine_backward(exec, cache.y_RD, cache.d_gate_weights_TK, d_y, cache.gate_weights_TK, cache.slot_row_TK);
  const View<T, 2> d_y_RD = cache.y_RD, d_x_RD = cache.x_RD;
  const ExpertGradients<T> gradients{w_gate_proj_.gradient, w_up_proj_.gradient, w_down_proj_.gradient,
                                     b_up_proj_.gradient, b_down_proj_.gradient};
  scope.next(Operation::kExperts, 2 * experts_flops(expert_config(config_),
                                                    static_cast<std::size_t>(cache.expert_begin(config_.num_experts))));
  experts_backward(exec, d_x_RD, gradients, d_y_RD, cache.x_RD, cache.experts_R, cache.expert_begin, expert_weights());

  scope.next(Operation::kRouter, 2 * product_flops(num_tokens, config_.num_experts, config_.d_model));
  const View<T, 2> d_logits_NE = cache.d_logits_NE.rows(0, num_valid);
  aux_loss_backward(d_logits_NE, cache, config_, context.seq_len, balance);
  const double z_count = static_cast<double>(balance.num_tokens > 0 ? balance.num_tokens : std::int64_t(num_valid));
  gate_backward(exec, d_logits_NE, cache.d_gate_weights_TK, cache,
                balance.z_coef == 0 ? 0 : 2 * balance.z_coef / z_count, config_);

  // With padding, only valid tokens enter the sums over tokens: what stands in padding may even be NaN.
  const bool padded = num_valid < num_tokens;
  In<T, 2> x_ND = x;
  View<T, 2> d_x_ND = d_x;
  if (padded) {
    const View<T, 2> spent = d_y_RD.rows(0, num_valid);
    gather_rows(exec, spent, x, token_N);
    x_ND = spent;
    d_x_ND = d_x.rows(0, num_valid);
  }
  router_logits_backward(exec, d_x_ND, router_weight_.gradient, router_bias_.gradient, d_logits_NE, x_ND,
                         router_weight_.value);
  if (padded) spread_rows(d_x, token_N);
  scope.next(Operation::kDispatch);
  gather_slots_backward_add(exec, d_x, d_x_RD, cache.slot_row_TK);
  if (shared_gate_) {
    backward_gated_shared_add(exec, d_x, d_y, x_ND, cache);
  } else if (!shared_.empty()) {
    backward_shared_add(exec, d_x, d_y, x_ND, cache);
  }
}

template struct MoECache<float>;
template struct MoECache<double>;
template class MoELayer<float>;
template class MoELayer<double>;

}  // namespace minimoe
