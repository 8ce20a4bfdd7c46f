// SPDX-License-Identifier: Apache-2.0
// Forward and backward of the bare MoE layer.
#include <algorithm>
#include <cmath>

#include "arguments.hpp"
#include "moe_cache.hpp"

using minimoe::Arena;
using minimoe::In;
using minimoe::RoutingContext;
using minimoe::View;

namespace minimoe::capi {
namespace {

/// As of the coefficients that it multiplies: the product stays far inside the range of a float.
constexpr double kMaxBalanceScale = 1e6;

/// The caller's tokens, [T, D].
View<const float, 2> input_tokens(const char* function, const char* parameter, const float* data, std::size_t count,
                                  const minimoe_moe_layer& layer) {
  const std::size_t d_model = layer.d_model();
  if (count % d_model != 0 || count / d_model > kMaxTokens) {
    fail(MINIMOE_E_SHAPE, function, ": num_", parameter, " is ", count, ", expected T * ", d_model,
         " (d_model) with T at most ", kMaxTokens);
  }
  return {input(function, parameter, data, count).data(), {count / d_model, d_model}};
}

View<const std::uint8_t, 1> input_valid(const char* function, const std::uint8_t* valid, std::size_t num_valid,
                                        std::size_t num_tokens) {
  if (num_valid == 0) return {};
  if (num_valid != num_tokens) {
    fail(MINIMOE_E_SHAPE, function, ": num_valid is ", num_valid, ", expected ", num_tokens,
         " (the tokens of x), or 0 when all are valid");
  }
  return {input(function, "valid", valid, num_valid).data(), {num_valid}};
}

/// The caller's memory for [T, D] values, apart from `input`.
View<float, 2> output_tokens(const char* function, const Output<float>& out, const char* input_parameter,
                             const View<const float, 2>& input) {
  const std::size_t bytes = input.size() * sizeof(float);
  out.reserve(input.size());
  check_apart(function, "values", out.data(), bytes, input_parameter, input.data(), bytes);
  return {out.data(), input.shape()};
}

void check_own_cache(const char* function, const minimoe_moe_layer& layer, const minimoe_moe_cache& cache) {
  require(&*cache.layer == &layer, function, ": cache was made for another layer");
}

/// Throws when a valid token holds NaN or infinity, which would poison the gradients of all parameters.
void check_finite(const char* function, const char* parameter, const View<const float, 2>& values,
                  const MoECache<float>& cache) {
  for (std::size_t n = 0; n < cache.num_valid; ++n) {
    const auto t = static_cast<std::size_t>(cache.token_N(n));
    const float* row = values.row(t);
    const bool finite = std::all_of(row, row + values.shape(1), [](float value) { return std::isfinite(value); });
    if (!finite) fail(MINIMOE_E_NON_FINITE, function, ": ", parameter, " of token ", t, " is not finite");
  }
}

void check_forward(const char* function, const MoECache<float>& cache, std::size_t num_tokens) {
  require(cache.holds_forward, function, ": the cache holds no forward (each forward serves one backward)");
  if (num_tokens != cache.num_tokens) {
    fail(MINIMOE_E_SHAPE, function, ": x has ", num_tokens, " tokens, the cache holds a forward of ", cache.num_tokens);
  }
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_moe_layer_infer(const minimoe_moe_layer* layer, const float* x, size_t num_x,
                                       const uint8_t* valid, size_t num_valid, float* values, size_t values_cap,
                                       size_t* values_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Reading<minimoe_moe_layer> held(where, "layer", layer);
    const Output<float> out(where, "values", values, values_cap, values_needed);
    const View<const float, 2> x_TD = input_tokens(where, "x", x, num_x, *held);
    const std::size_t num_tokens = x_TD.shape(0);
    const RoutingContext context{.valid = input_valid(where, valid, num_valid, num_tokens),
                                 .seq_len = std::max<std::size_t>(num_tokens, 1),
                                 .training = false};
    const View<float, 2> y_TD = output_tokens(where, out, "x", x_TD);
    const auto workspace = held->workspaces.lend();
    MoEForward& pass = workspace->cache(num_tokens, [&](Arena& arena, MoEForward& forward, std::size_t max_tokens) {
      forward.plan(arena, held->layer.config(), max_tokens);
    });
    held->layer.forward(workspace->exec, y_TD, x_TD, context, pass.cache, pass.stats);
    out.set_needed(num_x);
  });
}

minimoe_status minimoe_moe_layer_forward(const minimoe_moe_layer* layer, minimoe_moe_cache* cache, const float* x,
                                         size_t num_x, const uint8_t* valid, size_t num_valid, size_t seq_len,
                                         float* values, size_t values_cap, size_t* values_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Reading<minimoe_moe_layer> held(where, "layer", layer);
    const Writing<minimoe_moe_cache> held_cache(where, "cache", cache);
    check_own_cache(where, *held, *held_cache);
    const Output<float> out(where, "values", values, values_cap, values_needed);
    const View<const float, 2> x_TD = input_tokens(where, "x", x, num_x, *held);
    const std::size_t num_tokens = x_TD.shape(0);
    if (num_tokens > held_cache->max_tokens) {
      fail(MINIMOE_E_SHAPE, where, ": x has ", num_tokens, " tokens, the cache has room for ", held_cache->max_tokens);
    }
    if (seq_len > 0 && num_tokens % seq_len != 0) {
      fail(MINIMOE_E_SHAPE, where, ": seq_len is ", seq_len, ", expected a divisor of the ", num_tokens,
           " tokens, or 0");
    }
    const RoutingContext context{.valid = input_valid(where, valid, num_valid, num_tokens),
                                 .seq_len = seq_len > 0 ? seq_len : std::max<std::size_t>(num_tokens, 1),
                                 .training = true};
    const View<float, 2> y_TD = output_tokens(where, out, "x", x_TD);
    const auto workspace = held->workspaces.lend();
    held->options.log(MINIMOE_LOG_TRACE, where, ": ", num_tokens, " tokens");
    MoEForward& pass = held_cache->forward;
    held_cache->holds_routing = false;
    held->layer.forward(workspace->exec, y_TD, x_TD, context, pass.cache, pass.stats);
    held_cache->holds_routing = true;
    held_cache->seq_len = context.seq_len;
    out.set_needed(num_x);
  });
}

minimoe_status minimoe_moe_layer_backward(minimoe_moe_layer* layer, minimoe_moe_cache* cache, const float* x,
                                          size_t num_x, const float* d_y, size_t num_d_y, double balance_scale,
                                          float* values, size_t values_cap, size_t* values_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Writing<minimoe_moe_layer> held(where, "layer", layer);
    const Writing<minimoe_moe_cache> held_cache(where, "cache", cache);
    check_own_cache(where, *held, *held_cache);
    const Output<float> out(where, "values", values, values_cap, values_needed);
    minimoe::require(balance_scale >= 0 && balance_scale <= kMaxBalanceScale, where, ": balance_scale is ",
                     balance_scale, ", expected 0..", kMaxBalanceScale);
    const View<const float, 2> x_TD = input_tokens(where, "x", x, num_x, *held);
    minimoe::MoECache<float>& pass = held_cache->forward.cache;
    check_forward(where, pass, x_TD.shape(0));
    if (num_d_y != num_x) {
      fail(MINIMOE_E_SHAPE, where, ": num_d_y is ", num_d_y, ", num_x is ", num_x, ", expected the same");
    }
    const View<const float, 2> d_y_TD = input_tokens(where, "d_y", d_y, num_d_y, *held);
    output_tokens(where, out, "d_y", d_y_TD);
    const View<float, 2> d_x_TD = output_tokens(where, out, "x", x_TD);
    check_finite(where, "x", x_TD, pass);
    check_finite(where, "d_y", d_y_TD, pass);

    const auto workspace = held->workspaces.lend();
    held->provide_gradients();
    held->options.log(MINIMOE_LOG_TRACE, where, ": ", x_TD.shape(0), " tokens");
    // Which tokens are valid is in the cache.
    const RoutingContext context{.valid = {}, .seq_len = held_cache->seq_len, .training = true};
    minimoe::BalanceGradient balance;
    balance.aux_coef = balance_scale * held->layer.config().aux_loss_coef;
    balance.z_coef = balance_scale * held->layer.config().z_loss_coef;
    held->layer.backward(workspace->exec, d_x_TD, d_y_TD, x_TD, context, pass, balance);
    out.set_needed(num_x);
  });
}
