// SPDX-License-Identifier: Apache-2.0
// A bare MoE layer through the C interface, beside the core's with the same parameters.
#pragma once

#include <minimoe.h>

#include <cstring>
#include <string>
#include <vector>

#include "minimoe/train/run_config.hpp"
#include "moe/layer_run.hpp"
#include "support/catch.hpp"

namespace minimoe_test {

inline constexpr std::size_t kD = 12;  // d_model of the layers below

// Every kind of network, gate, drop and scope stands in one of them.
inline const std::vector<std::string> kLayerConfigs{
    R"({"model":{"d_model":12,"num_layers":1,"moe":{"num_experts":4,"top_k":2,"d_expert":20,"capacity_factor":1,
        "z_loss_coef":0.01,"aux_loss_coef":0.1,"router_bias":true,"router_init_std":0.7}},"train":{"seed":7}})",
    R"({"model":{"d_model":12,"ffn":"swiglu","moe":{"num_experts":5,"top_k":3,"d_expert":9,"num_shared_experts":2,
        "gate_order":"sigmoid_topk_renorm","routed_scale":2.5,"aux_loss_scope":"sequence","drop_priority":"probability",
        "capacity_factor":0.8,"eval_capacity_factor":1.2,"router_init_std":0.7}},"train":{"seed":8}})",
    R"({"model":{"d_model":12,"gelu":"erf","moe":{"num_experts":3,"top_k":1,"d_expert":8,
        "aux_loss_scope":"global_batch","router_init_std":0.7}},"train":{"seed":9}})"};

/// A call that must succeed.
#define MUST(call)                   \
  do {                               \
    minimoe_error error{};           \
    minimoe_error* err = &error;     \
    const minimoe_status got = call; \
    INFO(error.message);             \
    REQUIRE(got == MINIMOE_OK);      \
  } while (false)

/// A call that must fail with this code and a message that holds `text`.
#define MUST_FAIL(code_, text, call)                                 \
  do {                                                               \
    minimoe_error error{};                                           \
    minimoe_error* err = &error;                                     \
    const minimoe_status got = call;                                 \
    INFO(error.message);                                             \
    CHECK(std::string(minimoe_status_name(got)) == #code_);          \
    CHECK(error.code == got);                                        \
    CHECK_THAT(std::string(error.message), ContainsSubstring(text)); \
  } while (false)

struct BareLayer {
  minimoe_moe_layer* layer = nullptr;

  explicit BareLayer(const std::string& json, const minimoe_options* options = nullptr) {
    MUST(minimoe_moe_layer_create(json.data(), json.size(), options, &layer, err));
  }
  ~BareLayer() { minimoe_moe_layer_free(layer); }
  BareLayer(const BareLayer&) = delete;
  BareLayer& operator=(const BareLayer&) = delete;

  std::vector<float> infer(const std::vector<float>& x, const std::vector<std::uint8_t>& valid = {}) const {
    std::vector<float> y(x.size(), 7.0f);
    std::size_t needed = 99;
    MUST(minimoe_moe_layer_infer(layer, x.data(), x.size(), valid.data(), valid.size(), y.data(), y.size(), &needed,
                                 err));
    CHECK(needed == x.size());
    return y;
  }
  std::vector<float> forward(minimoe_moe_cache* cache, const std::vector<float>& x,
                             const std::vector<std::uint8_t>& valid = {}, std::size_t seq_len = 0) const {
    std::vector<float> y(x.size(), 7.0f);
    std::size_t needed = 99;
    MUST(minimoe_moe_layer_forward(layer, cache, x.data(), x.size(), valid.data(), valid.size(), seq_len, y.data(),
                                   y.size(), &needed, err));
    CHECK(needed == x.size());
    return y;
  }
  std::vector<float> backward(minimoe_moe_cache* cache, const std::vector<float>& x, const std::vector<float>& d_y,
                              double balance_scale = 1) const {
    std::vector<float> d_x(x.size(), 7.0f);
    std::size_t needed = 99;
    MUST(minimoe_moe_layer_backward(layer, cache, x.data(), x.size(), d_y.data(), d_y.size(), balance_scale, d_x.data(),
                                    d_x.size(), &needed, err));
    CHECK(needed == x.size());
    return d_x;
  }
  std::vector<float> parameter(const std::string& name) const {
    return read([&](float* v, std::size_t cap, std::size_t* needed) {
      return minimoe_moe_layer_parameter_get(layer, name.c_str(), v, cap, needed, nullptr);
    });
  }
  std::vector<float> gradient(const std::string& name) const {
    return read([&](float* v, std::size_t cap, std::size_t* needed) {
      return minimoe_moe_layer_gradient_get(layer, name.c_str(), v, cap, needed, nullptr);
    });
  }
  std::uint64_t generation() const {
    minimoe_tensor_view view{};
    MUST(minimoe_moe_layer_parameter_view(layer, "router.weight", &view, sizeof(view), err));
    return view.generation;
  }

  /// What an output function gives: asked for its size first.
  template <class Value = float, class Call>
  static std::vector<Value> read(Call&& call) {
    std::size_t needed = 0;
    const minimoe_status asked = call(static_cast<Value*>(nullptr), std::size_t{0}, &needed);
    REQUIRE((asked == MINIMOE_E_BUFFER_TOO_SMALL || (asked == MINIMOE_OK && needed == 0)));
    std::vector<Value> values(needed);
    REQUIRE(call(values.data(), needed, &needed) == MINIMOE_OK);
    CHECK(needed == values.size());
    return values;
  }
};

struct BareCache {
  minimoe_moe_cache* cache = nullptr;

  BareCache(minimoe_moe_layer* layer, std::size_t max_tokens) {
    MUST(minimoe_moe_cache_create(layer, max_tokens, &cache, err));
  }
  ~BareCache() { minimoe_moe_cache_free(cache); }
  BareCache(const BareCache&) = delete;
  BareCache& operator=(const BareCache&) = delete;
  operator minimoe_moe_cache*() const { return cache; }
};

/// What a cache tells: `routing_of(cache, minimoe_moe_cache_load)`.
template <class Value>
std::vector<Value> routing_of(const minimoe_moe_cache* cache,
                              minimoe_status (*function)(const minimoe_moe_cache*, Value*, std::size_t, std::size_t*,
                                                         minimoe_error*)) {
  return BareLayer::read<Value>([&](Value* values, std::size_t cap, std::size_t* needed) {
    return function(cache, values, cap, needed, nullptr);
  });
}

/// The core's layer with the start values of the configuration.
inline void use_start_values(minimoe::test::LayerRun<float>& run, std::uint64_t seed) {
  minimoe::initialize_parameters(run.parameters, seed);
  run.zero_gradients();
}

inline std::vector<float> tokens(std::size_t num_tokens, const std::string& name) {
  return minimoe::test::normal_values<float>(num_tokens * kD, name);
}

}  // namespace minimoe_test
