// SPDX-License-Identifier: Apache-2.0
// What the bare layer refuses, and that a refusal leaves every output alone.
#include <cmath>
#include <cstdlib>
#include <limits>

#include "capi/bare_layer.hpp"

using namespace minimoe_test;
using minimoe::test::equal_bits;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

void check_refused(const std::string& json, const std::string& message) {
  INFO(json);
  minimoe_moe_layer* layer = nullptr;
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, message,
            minimoe_moe_layer_create(json.data(), json.size(), nullptr, &layer, err));
  CHECK(layer == nullptr);
}

struct Pass {
  BareLayer bare{kLayerConfigs[0]};
  BareCache cache{bare.layer, 6};
  std::vector<float> x = tokens(6, "x"), d_y = tokens(6, "d_y");
  std::vector<std::uint8_t> valid = std::vector<std::uint8_t>(6, 1);
  std::vector<float> out = std::vector<float>(x.size(), 7.0f);
  std::size_t out_cap = out.size(), seq_len = 0, needed = 99;
  double balance_scale = 1;

  minimoe_status infer(minimoe_error* err) {
    return minimoe_moe_layer_infer(bare.layer, x.data(), x.size(), valid.data(), valid.size(), out.data(), out_cap,
                                   &needed, err);
  }
  minimoe_status forward(minimoe_error* err) {
    return minimoe_moe_layer_forward(bare.layer, cache, x.data(), x.size(), valid.data(), valid.size(), seq_len,
                                     out.data(), out_cap, &needed, err);
  }
  minimoe_status backward(minimoe_error* err) {
    return minimoe_moe_layer_backward(bare.layer, cache, x.data(), x.size(), d_y.data(), d_y.size(), balance_scale,
                                      out.data(), out_cap, &needed, err);
  }
  bool untouched() const { return out == std::vector<float>(out.size(), 7.0f) && needed == 99; }
};

}  // namespace

TEST_CASE("bare layer: a configuration of no possible layer is refused, blocks or not", "[capi]") {
  check_refused(R"({"model":{"moe":{"num_experts":4,"top_k":5}}})", "model.moe.top_k: 5, expected 1..4");
  check_refused(R"({"model":{"moe":{"num_expert":4}}})", "num_experts");
  check_refused(R"({"model":{"moe":{"top_k":1,"gate_order":"topk_softmax"}}})", "model.moe.gate_order");
  check_refused(R"({"model":{"d_model":-1}})", "model.d_model");
  check_refused("[", "");
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "out is NULL", minimoe_moe_layer_create("{}", 2, nullptr, nullptr, err));
}

TEST_CASE("bare layer: heads that do not divide its width are none of its business", "[capi]") {
  BareLayer bare(R"({"model":{"d_model":50,"num_heads":4,"moe":{"d_expert":4}}})");
  CHECK(bare.parameter("router.weight").size() == 200);
}

TEST_CASE("bare layer: infer and forward refuse what does not fit and leave the output alone", "[capi]") {
  for (const bool training : {false, true}) {
    const auto check = [&](minimoe_status code, const std::string& message, auto&& change) {
      Pass pass;
      change(pass);
      minimoe_error error{};
      CHECK((training ? pass.forward(&error) : pass.infer(&error)) == code);
      CHECK_THAT(std::string(error.message), ContainsSubstring(message));
      CHECK(pass.untouched());
    };
    check(MINIMOE_E_SHAPE, "num_x is 71, expected T * 12 (d_model)", [](Pass& p) { p.x.pop_back(); });
    check(MINIMOE_E_SHAPE, "num_valid is 5, expected 6", [](Pass& p) { p.valid.pop_back(); });
    check(MINIMOE_E_NON_FINITE, "token 3", [](Pass& p) { p.x[3 * kD + 5] = kNaN; });
    check(MINIMOE_E_NON_FINITE, "token 5", [](Pass& p) { p.x[6 * kD - 1] = std::numeric_limits<float>::infinity(); });
  }
}

TEST_CASE("bare layer: a forward that its cache has no room for, or with odd sequences, is refused", "[capi]") {
  Pass pass;
  pass.seq_len = 4;
  MUST_FAIL(MINIMOE_E_SHAPE, "seq_len is 4, expected a divisor of the 6 tokens", pass.forward(err));
  pass.seq_len = 0;
  pass.x = tokens(7, "x");
  pass.valid.clear();
  MUST_FAIL(MINIMOE_E_SHAPE, "x has 7 tokens, the cache has room for 6", pass.forward(err));
  CHECK(pass.untouched());
  BareLayer other(kLayerConfigs[0]);
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "cache was made for another layer",
            minimoe_moe_layer_forward(other.layer, pass.cache, pass.x.data(), kD, nullptr, 0, 0, pass.out.data(),
                                      pass.out_cap, nullptr, err));
  minimoe_moe_cache* none = nullptr;
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "max_tokens is 0, expected 1..16777216",
            minimoe_moe_cache_create(pass.bare.layer, 0, &none, err));
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "max_tokens is 16777217",
            minimoe_moe_cache_create(pass.bare.layer, 16777217, &none, err));
  CHECK(none == nullptr);
}

TEST_CASE("bare layer: a cache that no memory can hold is refused, one that this machine cannot hold is lack of memory",
          "[capi]") {
  minimoe_moe_cache* none = nullptr;
  BareLayer wide(R"({"model":{"d_model":1,"moe":{"num_experts":2,"top_k":2,"d_expert":1048576}}})");
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "max_tokens is 16777216, for which this layer needs ",
            minimoe_moe_cache_create(wide.layer, 16777216, &none, err));
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "more than 2^31 - 1 assignments",
            minimoe_moe_cache_create(
                BareLayer(R"({"model":{"d_model":1,"moe":{"num_experts":256,"top_k":128,"d_expert":1}}})").layer,
                16777216, &none, err));

  struct Room {
    static void* none(void*, std::size_t size, std::size_t alignment) {
      return size < 1 << 24 ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment) : nullptr;
    }
    static void free(void*, void* memory, std::size_t, std::size_t) { std::free(memory); }
  };
  minimoe_options options;
  MUST(minimoe_options_init(&options, sizeof(options), err));
  options.num_threads = 1;
  options.allocate = &Room::none;
  options.deallocate = &Room::free;
  minimoe_moe_layer* layer = nullptr;
  const std::string small = R"({"model":{"d_model":4,"moe":{"num_experts":2,"d_expert":4}}})";
  MUST(minimoe_moe_layer_create(small.data(), small.size(), &options, &layer, err));
  MUST_FAIL(MINIMOE_E_OUT_OF_MEMORY, " bytes", minimoe_moe_cache_create(layer, 1 << 20, &none, err));
  minimoe_moe_layer_free(layer);
  CHECK(none == nullptr);
}

TEST_CASE("bare layer: the room for an output is asked for before anything is computed", "[capi]") {
  Pass pass;
  pass.out_cap = 71;
  MUST_FAIL(MINIMOE_E_BUFFER_TOO_SMALL, "values has room for 71, needed are 72", pass.infer(err));
  CHECK(pass.needed == 72);
  pass.needed = 99;
  MUST_FAIL(MINIMOE_E_BUFFER_TOO_SMALL, "needed are 72", pass.forward(err));
  CHECK(pass.needed == 72);
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "the cache holds no forward",
            minimoe_moe_cache_load(pass.cache, nullptr, 0, nullptr, err));
}

TEST_CASE("bare layer: an output over an input is refused", "[capi]") {
  Pass pass;
  float* x = pass.x.data();
  const std::vector<float> before = pass.x;
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "values and x overlap",
            minimoe_moe_layer_infer(pass.bare.layer, x, 36, nullptr, 0, x + 35, 36, nullptr, err));
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "values and x overlap",
            minimoe_moe_layer_forward(pass.bare.layer, pass.cache, x, 36, nullptr, 0, 0, x, 36, nullptr, err));
  MUST(minimoe_moe_layer_infer(pass.bare.layer, x, 36, nullptr, 0, x + 36, 36, nullptr, err));  // side by side
  pass.x = before;
  MUST(pass.forward(err));
  float* d_y = pass.d_y.data();
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "values and d_y overlap",
            minimoe_moe_layer_backward(pass.bare.layer, pass.cache, x, 72, d_y, 72, 1, d_y, 72, nullptr, err));
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "values and x overlap",
            minimoe_moe_layer_backward(pass.bare.layer, pass.cache, x, 72, d_y, 72, 1, x, 72, nullptr, err));
  CHECK(equal_bits(pass.x, before));
}

TEST_CASE("bare layer: a refused backward consumes nothing and adds to no gradient", "[capi]") {
  Pass pass;
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "the cache holds no forward", pass.backward(err));
  MUST(pass.forward(err));
  pass.out.assign(pass.out.size(), 7.0f);
  pass.needed = 99;
  const Pass reference;  // for its inputs
  for (const double scale : {-1.0, std::numeric_limits<double>::quiet_NaN(), HUGE_VAL, 1e7}) {
    pass.balance_scale = scale;
    MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "balance_scale is", pass.backward(err));
  }
  pass.balance_scale = 1;
  pass.x.resize(5 * kD);
  MUST_FAIL(MINIMOE_E_SHAPE, "x has 5 tokens, the cache holds a forward of 6", pass.backward(err));
  pass.x = reference.x;
  pass.d_y.pop_back();
  MUST_FAIL(MINIMOE_E_SHAPE, "num_d_y is 71, num_x is 72", pass.backward(err));
  pass.d_y = reference.d_y;
  pass.d_y[2 * kD] = kNaN;
  MUST_FAIL(MINIMOE_E_NON_FINITE, "d_y of token 2", pass.backward(err));
  pass.d_y = reference.d_y;
  pass.x[4 * kD] = kNaN;
  MUST_FAIL(MINIMOE_E_NON_FINITE, "x of token 4", pass.backward(err));
  pass.x = reference.x;
  CHECK(pass.untouched());
  for (const char* name : {"router.weight", "experts.w_down_proj"}) {
    const std::vector<float> gradient = pass.bare.gradient(name);
    CHECK(gradient == std::vector<float>(gradient.size(), 0.0f));
  }
  MUST(pass.backward(err));
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "the cache holds no forward", pass.backward(err));
}

TEST_CASE("bare layer: after a forward that failed on a value, its cache holds none", "[capi]") {
  Pass pass;
  MUST(pass.forward(err));
  pass.x[0] = kNaN;
  MUST_FAIL(MINIMOE_E_NON_FINITE, "token 0", pass.forward(err));
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "the cache holds no forward", pass.backward(err));
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "the cache holds no forward",
            minimoe_moe_cache_topk_idx(pass.cache, nullptr, 0, nullptr, err));
}

TEST_CASE("bare layer: loads that are no counts move no bias", "[capi]") {
  BareLayer bare(kLayerConfigs[0]);
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const std::int64_t negative[] = {1, -1, 0, 0}, huge[] = {most / 8, most / 8, 2, 0};
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "load holds -1", minimoe_moe_layer_update_bias(bare.layer, negative, 4, err));
  MUST_FAIL(MINIMOE_E_INVALID_ARGUMENT, "in all", minimoe_moe_layer_update_bias(bare.layer, huge, 4, err));
  MUST_FAIL(MINIMOE_E_SHAPE, "num_load is 3, expected 4", minimoe_moe_layer_update_bias(bare.layer, huge, 3, err));
  CHECK(bare.parameter("expert_bias") == std::vector<float>(4, 0.0f));
}
