// SPDX-License-Identifier: Apache-2.0
// Parameters and gradients in the host's own memory.
#include "capi/bare_layer.hpp"

using namespace minimoe_test;
using minimoe::test::equal_bits;

namespace {

const std::string kName = "experts.w_up_proj";

}  // namespace

TEST_CASE("bare layer: a bound parameter is the host's memory, and unbound its old values are back", "[capi]") {
  BareLayer bare(kLayerConfigs[0]), other(R"({"model":{"d_model":12,"num_layers":1,"moe":{"num_experts":4,"top_k":2,
      "d_expert":20,"capacity_factor":1,"router_bias":true,"router_init_std":0.7}},"train":{"seed":17}})");
  const std::vector<float> x = tokens(6, "x"), y = bare.infer(x), own = bare.parameter(kName);
  std::vector<float> host = other.parameter(kName);
  MUST(minimoe_moe_layer_parameter_set(other.layer, kName.c_str(), own.data(), own.size(), err));

  const std::uint64_t before = bare.generation();
  MUST(minimoe_moe_layer_bind_parameter(bare.layer, kName.c_str(), host.data(), host.size(), err));
  CHECK(bare.generation() > before);
  CHECK(equal_bits(bare.parameter(kName), host));
  const std::vector<float> y_bound = bare.infer(x);
  CHECK_FALSE(equal_bits(y_bound, y));
  minimoe_tensor_view view{};
  MUST(minimoe_moe_layer_parameter_view(bare.layer, kName.c_str(), &view, sizeof(view), err));
  CHECK(view.values == host.data());
  CHECK(view.num_values == host.size());
  CHECK((view.num_dims == 3 && view.shape[0] == 4 && view.shape[1] == 20 && view.shape[2] == 12 && view.shape[3] == 0));

  std::copy(own.begin(), own.end(), host.begin());  // the host's optimizer writes
  MUST(minimoe_moe_layer_parameters_changed(bare.layer, err));
  CHECK(bare.generation() > view.generation);
  CHECK(equal_bits(bare.infer(x), y));

  const std::vector<float> ones(host.size(), 1.0f);
  MUST(minimoe_moe_layer_parameter_set(bare.layer, kName.c_str(), ones.data(), ones.size(), err));
  CHECK(host == ones);
  MUST(minimoe_moe_layer_bind_parameter(bare.layer, kName.c_str(), nullptr, 0, err));
  CHECK(equal_bits(bare.parameter(kName), own));
  std::fill(host.begin(), host.end(), 2.0f);
  CHECK(equal_bits(bare.infer(x), y));
}

TEST_CASE("bare layer: a bound gradient is added to, and the layer's own goes on from where it was", "[capi]") {
  BareLayer bare(kLayerConfigs[0]);
  BareCache cache(bare.layer, 6);
  const std::vector<float> x = tokens(6, "x"), d_y = tokens(6, "d_y");
  const auto step = [&] {
    bare.forward(cache, x);
    bare.backward(cache, x, d_y);
  };
  std::vector<float> host(bare.parameter(kName).size(), 0.0f);
  MUST(minimoe_moe_layer_bind_gradient(bare.layer, kName.c_str(), host.data(), host.size(), err));
  step();
  const std::vector<float> once = host, router_once = bare.gradient("router.weight");
  CHECK(once != std::vector<float>(once.size(), 0.0f));
  CHECK(equal_bits(bare.gradient(kName), once));

  MUST(minimoe_moe_layer_bind_gradient(bare.layer, kName.c_str(), nullptr, 0, err));
  CHECK(bare.gradient(kName) == std::vector<float>(once.size(), 0.0f));
  step();
  CHECK(equal_bits(bare.gradient(kName), once));
  CHECK(equal_bits(host, once));
  CHECK_FALSE(equal_bits(bare.gradient("router.weight"), router_once));  // that one was never bound: two steps

  MUST(minimoe_moe_layer_bind_gradient(bare.layer, kName.c_str(), host.data(), host.size(), err));
  MUST(minimoe_moe_layer_zero_gradients(bare.layer, err));
  CHECK(host == std::vector<float>(host.size(), 0.0f));
  MUST(minimoe_moe_layer_bind_gradient(bare.layer, kName.c_str(), nullptr, 0, err));
  CHECK(bare.gradient(kName) == host);
}

TEST_CASE("bare layer: what cannot be bound or set is refused and changes nothing", "[capi]") {
  BareLayer bare(kLayerConfigs[0]);
  const std::vector<float> before = bare.parameter(kName);
  std::vector<float> host(before.size(), 0.5f);
  const std::uint64_t generation = bare.generation();
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "the nearest is \"experts.w_up_proj\"",
            minimoe_moe_layer_bind_parameter(bare.layer, "experts.w_up_prj", host.data(), host.size(), err));
  MUST_FAIL(MINIMOE_E_SHAPE, "experts.w_up_proj has 960 values [4, 20, 12]",
            minimoe_moe_layer_bind_parameter(bare.layer, kName.c_str(), host.data(), host.size() - 1, err));
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "data is NULL",
            minimoe_moe_layer_bind_parameter(bare.layer, kName.c_str(), nullptr, host.size(), err));
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "expert_bias is a buffer",
            minimoe_moe_layer_bind_gradient(bare.layer, "expert_bias", host.data(), 4, err));
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "expert_bias is a buffer",
            minimoe_moe_layer_gradient_get(bare.layer, "expert_bias", host.data(), 4, nullptr, err));
  MUST_FAIL(MINIMOE_E_SHAPE, "num_data is 0",
            minimoe_moe_layer_parameter_set(bare.layer, kName.c_str(), host.data(), 0, err));
  host.back() = std::numeric_limits<float>::infinity();
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "data[959] is inf",
            minimoe_moe_layer_parameter_set(bare.layer, kName.c_str(), host.data(), host.size(), err));
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "index is 7, there are 7 parameters",
            minimoe_moe_layer_parameter_info(bare.layer, 7, nullptr, 0, nullptr, err));
  CHECK(equal_bits(bare.parameter(kName), before));
  CHECK(bare.generation() == generation);
}
