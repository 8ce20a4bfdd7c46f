// SPDX-License-Identifier: Apache-2.0
// Several threads on one bare layer.
#include <atomic>
#include <thread>

#include "capi/bare_layer.hpp"

using namespace minimoe_test;
using minimoe::test::equal_bits;

namespace {

minimoe_options options_of(int num_threads) {
  minimoe_options options{};
  options.struct_size = sizeof(options);
  options.num_threads = num_threads;
  return options;
}

}  // namespace

TEST_CASE("bare layer: 8 threads infer and train forward on one handle as one thread does", "[capi][threads]") {
  const minimoe_options options = options_of(2);
  BareLayer bare(kLayerConfigs[1], &options);
  constexpr int kThreads = 8, kRounds = 6;
  std::vector<std::vector<float>> inputs, inferred, trained;
  for (int i = 0; i < kThreads; ++i) {
    inputs.push_back(tokens(static_cast<std::size_t>(10 + 40 * i), "x" + std::to_string(i)));
    inferred.push_back(bare.infer(inputs.back()));
    BareCache cache(bare.layer, 400);
    trained.push_back(bare.forward(cache, inputs.back()));
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const std::vector<float>& x = inputs[static_cast<std::size_t>(i)];
      minimoe_moe_cache* cache = nullptr;
      wrong += minimoe_moe_cache_create(bare.layer, 400, &cache, nullptr) != MINIMOE_OK;
      std::vector<float> y(x.size());
      for (int round = 0; round < kRounds; ++round) {
        wrong += minimoe_moe_layer_infer(bare.layer, x.data(), x.size(), nullptr, 0, y.data(), y.size(), nullptr,
                                         nullptr) != MINIMOE_OK;
        wrong += !equal_bits(y, inferred[static_cast<std::size_t>(i)]);
        wrong += minimoe_moe_layer_forward(bare.layer, cache, x.data(), x.size(), nullptr, 0, 0, y.data(), y.size(),
                                           nullptr, nullptr) != MINIMOE_OK;
        wrong += !equal_bits(y, trained[static_cast<std::size_t>(i)]);
      }
      minimoe_moe_cache_free(cache);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

namespace {

/// A host's memory; while one call asks for it, another thread infers on the same layer.
struct NestedInfer {
  const BareLayer* bare = nullptr;
  std::vector<float> x = tokens(9, "nested"), y = x;
  std::atomic<bool> armed{false};
  std::atomic<std::size_t> current{0};
  minimoe_status status = -1;

  void infer() {
    status = minimoe_moe_layer_infer(bare->layer, x.data(), x.size(), nullptr, 0, y.data(), y.size(), nullptr, nullptr);
  }
  static void* allocate(void* user_data, std::size_t size, std::size_t alignment) {
    auto& self = *static_cast<NestedInfer*>(user_data);
    if (self.armed.exchange(false)) std::thread(&NestedInfer::infer, &self).join();
    self.current += size;
    return ::operator new(size, std::align_val_t(alignment));
  }
  static void deallocate(void* user_data, void* memory, std::size_t size, std::size_t alignment) {
    static_cast<NestedInfer*>(user_data)->current -= size;
    ::operator delete(memory, std::align_val_t(alignment));
  }
};

/// Another thread's calls while a call is running: the log's sink, called inside it, starts them.
struct Meanwhile {
  BareLayer* bare = nullptr;
  minimoe_moe_cache* in_use = nullptr;
  minimoe_moe_cache* other = nullptr;
  std::vector<float> x = tokens(4, "x"), values = x;
  minimoe_status infer = -1, set = -1, same_cache = -1, other_cache = -1, routing = -1;

  void run() {
    infer = minimoe_moe_layer_infer(bare->layer, x.data(), x.size(), nullptr, 0, values.data(), values.size(), nullptr,
                                    nullptr);
    set = minimoe_moe_layer_parameters_changed(bare->layer, nullptr);
    same_cache = forward(in_use);
    other_cache = forward(other);
    minimoe_routing_metrics metrics{};
    routing = minimoe_moe_cache_metrics(in_use, &metrics, sizeof(metrics), nullptr);
  }
  minimoe_status forward(minimoe_moe_cache* cache) {
    return minimoe_moe_layer_forward(bare->layer, cache, x.data(), x.size(), nullptr, 0, 0, values.data(),
                                     values.size(), nullptr, nullptr);
  }
};

void run_meanwhile(void* user_data, std::int32_t level, const char*) {
  auto& meanwhile = *static_cast<Meanwhile*>(user_data);
  if (level != MINIMOE_LOG_TRACE || meanwhile.infer != -1) return;
  meanwhile.infer = -2;
  std::thread(&Meanwhile::run, &meanwhile).join();
}

}  // namespace

TEST_CASE("bare layer: readers run beside a forward, nothing beside a backward, and no call waits", "[capi][threads]") {
  Meanwhile meanwhile;
  minimoe_options options = options_of(2);
  options.log = run_meanwhile;
  options.log_user_data = &meanwhile;
  options.log_level = MINIMOE_LOG_TRACE;
  BareLayer bare(kLayerConfigs[0], &options);
  BareCache cache(bare.layer, 8), other(bare.layer, 8);
  meanwhile.bare = &bare;
  meanwhile.in_use = cache;
  meanwhile.other = other;
  const std::vector<float> x = tokens(8, "x");

  bare.forward(cache, x);
  CHECK(meanwhile.infer == MINIMOE_OK);
  CHECK(meanwhile.set == MINIMOE_E_BUSY);
  CHECK(meanwhile.same_cache == MINIMOE_E_BUSY);
  CHECK(meanwhile.other_cache == MINIMOE_OK);
  CHECK(meanwhile.routing == MINIMOE_E_BUSY);

  meanwhile.infer = -1;
  bare.backward(cache, x, x);
  CHECK(meanwhile.infer == MINIMOE_E_BUSY);
  CHECK(meanwhile.set == MINIMOE_E_BUSY);
  CHECK(meanwhile.same_cache == MINIMOE_E_BUSY);
  CHECK(meanwhile.other_cache == MINIMOE_E_BUSY);
  CHECK(meanwhile.routing == MINIMOE_E_BUSY);
  bare.infer(x);  // and afterwards all is free again
  MUST(minimoe_moe_layer_parameters_changed(bare.layer, err));
}

TEST_CASE("bare layer: a reader beside another has buffers of its own", "[capi][threads]") {
  NestedInfer nested;
  {
    minimoe_options options = options_of(2);
    options.allocate = NestedInfer::allocate;
    options.deallocate = NestedInfer::deallocate;
    options.allocator_user_data = &nested;
    BareLayer bare(kLayerConfigs[1], &options);
    nested.bare = &bare;
    bare.infer(tokens(1, "x"));
    nested.armed = true;
    const std::vector<float> x = tokens(20, "x"), y = bare.infer(x);  // grows, and is in the middle of it meanwhile
    CHECK(nested.status == MINIMOE_OK);
    CHECK(equal_bits(y, bare.infer(x)));
    CHECK(equal_bits(nested.y, bare.infer(nested.x)));
  }
  CHECK(nested.current == 0);  // what two calls had both grown would be lost
}
