// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "capi/bare_layer.hpp"
#include "support/allocation_counter.hpp"

using namespace minimoe_test;
using minimoe::RunConfig;
using minimoe::test::equal_bits;
using minimoe::test::LayerRun;

namespace {

void check_parameters(const BareLayer& bare, LayerRun<float>& core) {
  std::size_t count = 0;
  MUST(minimoe_moe_layer_num_parameters(bare.layer, &count, err));
  REQUIRE(count == core.parameters.size());
  for (const auto& p : core.parameters) {
    INFO(p.name);
    CHECK(equal_bits(bare.parameter(p.name), core.value(p.name)));
  }
}

void check_routing(minimoe_moe_cache* cache, const LayerRun<float>& core) {
  CHECK(routing_of(cache, minimoe_moe_cache_topk_idx) == core.topk_idx());
  CHECK(routing_of(cache, minimoe_moe_cache_kept) == core.kept());
  CHECK(routing_of(cache, minimoe_moe_cache_load) == core.stats.load);
  CHECK(equal_bits(routing_of(cache, minimoe_moe_cache_gate_weights), core.gate_weights()));
  CHECK(equal_bits(routing_of(cache, minimoe_moe_cache_router_logits), core.rows(core.cache.router_logits_TE)));
  CHECK(equal_bits(routing_of(cache, minimoe_moe_cache_router_probs), core.rows(core.cache.router_probs_TE)));
  minimoe_routing_metrics metrics{};
  MUST(minimoe_moe_cache_metrics(cache, &metrics, sizeof(metrics), err));
  CHECK(metrics.struct_size == sizeof(metrics));
  CHECK(metrics.num_tokens == core.stats.num_tokens);
  CHECK(metrics.num_dropped == core.stats.num_dropped);
  CHECK(metrics.aux_loss == core.stats.aux_loss);
  CHECK(metrics.z_loss == core.stats.z_loss);
}

void compare_with_core(const std::string& json, bool padded, double balance_scale) {
  INFO(json);
  const RunConfig config = minimoe::parse_run_config(json);
  constexpr std::size_t kTokens = 18, kSequence = 6;
  BareLayer bare(json);
  LayerRun<float> core(config.model.moe_config(), kTokens);
  use_start_values(core, config.train.seed);
  check_parameters(bare, core);
  std::vector<std::uint8_t> valid;
  if (padded) {
    valid.assign(kTokens, 1);
    valid[5] = valid[10] = valid[11] = 0;
    core.set_valid(valid);
    core.x[5 * kD] = std::numeric_limits<float>::quiet_NaN();  // what stands in padding is nobody's business
  }
  core.context.seq_len = kSequence;
  core.balance.aux_coef *= balance_scale;
  core.balance.z_coef *= balance_scale;

  BareCache cache(bare.layer, kTokens + 3);
  for (int pass = 0; pass < 2; ++pass) {  // gradients accumulate
    core.forward();
    CHECK(equal_bits(bare.forward(cache, core.x, valid, kSequence), core.y));
    check_routing(cache, core);
    core.backward();
    CHECK(equal_bits(bare.backward(cache, core.x, core.d_y, balance_scale), core.d_x));
    check_routing(cache, core);  // readable after the backward too
    for (const auto& [name, values] : core.gradients) {
      INFO(name);
      CHECK(equal_bits(bare.gradient(name), values));
    }
  }
  core.context.training = false;
  core.forward();
  CHECK(equal_bits(bare.infer(core.x, valid), core.y));
  MUST(minimoe_moe_layer_zero_gradients(bare.layer, err));
  for (const auto& [name, values] : core.gradients) {
    CHECK(bare.gradient(name) == std::vector<float>(values.size(), 0.0f));
  }
}

}  // namespace

TEST_CASE("bare layer: outputs, gradients and routing are the core layer's, bit for bit", "[capi]") {
  for (const std::string& json : kLayerConfigs) {
    compare_with_core(json, false, 1);
    compare_with_core(json, true, 0.25);
    compare_with_core(json, false, 0);
  }
}

TEST_CASE("bare layer: two forwards may precede their backwards", "[capi]") {
  const std::string& json = kLayerConfigs[0];
  const std::vector<float> x1 = tokens(9, "x1"), x2 = tokens(14, "x2"), d1 = tokens(9, "d1"), d2 = tokens(14, "d2");
  BareLayer apart(json), together(json);
  BareCache one(apart.layer, 16), first(together.layer, 16), second(together.layer, 16);
  apart.forward(one, x2);
  const std::vector<float> d_x2 = apart.backward(one, x2, d2);
  apart.forward(one, x1);
  const std::vector<float> d_x1 = apart.backward(one, x1, d1);

  together.forward(first, x1);
  together.forward(second, x2);
  CHECK(equal_bits(together.backward(second, x2, d2), d_x2));
  CHECK(equal_bits(together.backward(first, x1, d1), d_x1));
  CHECK(equal_bits(together.gradient("experts.w_up_proj"), apart.gradient("experts.w_up_proj")));
}

TEST_CASE("bare layer: no tokens are legal, and so are pointers to nowhere with a count of 0", "[capi]") {
  for (const std::string& json : kLayerConfigs) {
    BareLayer bare(json);
    CHECK(bare.infer({}).empty());
    BareCache cache(bare.layer, 4);
    float* const nowhere = reinterpret_cast<float*>(8);
    std::size_t needed = 99;
    MUST(minimoe_moe_layer_forward(bare.layer, cache, nowhere, 0, nullptr, 0, 0, nowhere, 0, &needed, err));
    CHECK(needed == 0);
    minimoe_routing_metrics metrics{};
    MUST(minimoe_moe_cache_metrics(cache, &metrics, sizeof(metrics), err));
    CHECK(metrics.num_tokens == 0);
    CHECK(metrics.load_entropy == 1);
    MUST(minimoe_moe_layer_backward(bare.layer, cache, nowhere, 0, nullptr, 0, 1, nullptr, 0, nullptr, err));
    CHECK(bare.gradient("router.weight") == std::vector<float>(bare.parameter("router.weight").size(), 0.0f));
  }
}

TEST_CASE("bare layer: memory need not be aligned to more than a float", "[capi]") {
  BareLayer bare(kLayerConfigs[1]);
  const std::vector<float> x = tokens(7, "x");
  const std::vector<float> expected = bare.infer(x);
  std::vector<float> shifted(x.size() + 1), y(x.size() + 3);
  std::copy(x.begin(), x.end(), shifted.begin() + 1);
  MUST(minimoe_moe_layer_infer(bare.layer, shifted.data() + 1, x.size(), nullptr, 0, y.data() + 3, x.size(), nullptr,
                               err));
  CHECK(equal_bits(std::vector<float>(y.begin() + 3, y.end()), expected));
}

TEST_CASE("bare layer: after the first call of a size, no call allocates", "[capi]") {
  minimoe_options options{};
  options.struct_size = sizeof(options);
  options.num_threads = 2;
  BareLayer bare(kLayerConfigs[1], &options);
  BareCache cache(bare.layer, 32);
  const std::vector<float> x = tokens(32, "x"), d_y = tokens(32, "d_y");
  std::vector<float> out(x.size());
  std::uint64_t before = 0;
  minimoe_status status = MINIMOE_OK;
  for (int pass = 0; pass < 3; ++pass) {
    if (pass == 1) before = num_allocations();
    status |=
        minimoe_moe_layer_infer(bare.layer, x.data(), x.size(), nullptr, 0, out.data(), out.size(), nullptr, nullptr);
    status |= minimoe_moe_layer_forward(bare.layer, cache, x.data(), x.size(), nullptr, 0, 8, out.data(), out.size(),
                                        nullptr, nullptr);
    status |= minimoe_moe_layer_backward(bare.layer, cache, x.data(), x.size(), d_y.data(), d_y.size(), 1, out.data(),
                                         out.size(), nullptr, nullptr);
  }
  const std::uint64_t after = num_allocations();
  CHECK(status == MINIMOE_OK);
  CHECK(after == before);
}

TEST_CASE("bare layer: threads start before the work, so none can fail to in the middle of it", "[capi]") {
  minimoe_options options{};
  options.struct_size = sizeof(options);
  options.num_threads = 2;
  BareLayer bare(kLayerConfigs[0], &options);
  BareCache cache(bare.layer, 400);
  bare.forward(cache, tokens(1, "x"));  // nothing to share out
  const std::vector<float> x = tokens(400, "x");
  std::vector<float> y(x.size());
  const std::uint64_t before = num_allocations();
  const minimoe_status status = minimoe_moe_layer_forward(bare.layer, cache, x.data(), x.size(), nullptr, 0, 0,
                                                          y.data(), y.size(), nullptr, nullptr);
  const std::uint64_t after = num_allocations();
  CHECK(status == MINIMOE_OK);
  CHECK(after == before);
}

TEST_CASE("bare layer: a host that only infers pays for no gradients", "[capi]") {
  struct Count {
    std::size_t current = 0;
  } count;
  minimoe_options options{};
  options.struct_size = sizeof(options);
  options.num_threads = 1;
  options.allocator_user_data = &count;
  options.allocate = [](void* user, std::size_t size, std::size_t alignment) -> void* {
    static_cast<Count*>(user)->current += size;
    return ::operator new(size, std::align_val_t(alignment));
  };
  options.deallocate = [](void* user, void* memory, std::size_t size, std::size_t alignment) {
    static_cast<Count*>(user)->current -= size;
    ::operator delete(memory, std::align_val_t(alignment));
  };
  {
    BareLayer bare(kLayerConfigs[0], &options);
    std::size_t num_weights = 0;
    for (const char* name : {"router.weight", "router.bias", "experts.w_up_proj", "experts.b_up_proj",
                             "experts.w_down_proj", "experts.b_down_proj"}) {
      num_weights += bare.parameter(name).size();
    }
    const std::vector<float> x = tokens(5, "x");
    BareCache cache(bare.layer, 5);
    bare.infer(x);
    bare.forward(cache, x);
    CHECK(bare.gradient("router.bias") == std::vector<float>(4, 0.0f));
    MUST(minimoe_moe_layer_zero_gradients(bare.layer, err));
    const std::size_t without = count.current;
    bare.backward(cache, x, x);
    CHECK(count.current - without == num_weights * sizeof(float));
  }
  CHECK(count.current == 0);
}

TEST_CASE("bare layer: the bias moves towards the experts with less load", "[capi]") {
  BareLayer bare(R"({"model":{"moe":{"num_experts":3,"top_k":1,"bias_update_rate":0.5}}})");
  const std::vector<std::int64_t> load{9, 0, 3};  // mean 4
  const std::uint64_t before = bare.generation();
  MUST(minimoe_moe_layer_update_bias(bare.layer, load.data(), load.size(), err));
  CHECK(bare.parameter("expert_bias") == std::vector<float>{-0.5f, 0.5f, 0.5f});
  CHECK(bare.generation() > before);
}

TEST_CASE("bare layer: its configuration is read back whole and makes the same layer", "[capi]") {
  BareLayer bare(kLayerConfigs[1]);
  const std::vector<char> text = BareLayer::read<char>([&](char* buf, std::size_t cap, std::size_t* needed) {
    return minimoe_moe_layer_config(bare.layer, buf, cap, needed, nullptr);
  });
  REQUIRE(text.back() == '\0');
  BareLayer again(text.data());
  CHECK(equal_bits(again.parameter("shared.w_gate_proj"), bare.parameter("shared.w_gate_proj")));
  const std::vector<char> info = BareLayer::read<char>([&](char* buf, std::size_t cap, std::size_t* needed) {
    return minimoe_moe_layer_parameter_info(bare.layer, 0, buf, cap, needed, nullptr);
  });
  CHECK(std::string(info.data()) == R"({"name":"router.weight","shape":[5,12],"role":"weight","decay":true})");
}

TEST_CASE("bare layer: a cache keeps its layer alive", "[capi]") {
  minimoe_moe_cache* cache = nullptr;
  {
    BareLayer bare(kLayerConfigs[0]);
    MUST(minimoe_moe_cache_create(bare.layer, 3, &cache, err));
    bare.forward(cache, tokens(3, "x"));
  }
  minimoe_routing_metrics metrics{};
  MUST(minimoe_moe_cache_metrics(cache, &metrics, sizeof(metrics), err));
  CHECK(metrics.num_tokens == 3);
  minimoe_moe_cache_free(cache);
}
