// SPDX-License-Identifier: Apache-2.0
#include "minimoe/core/arena.hpp"

#include <algorithm>

#include "support/catch.hpp"

using namespace minimoe;

namespace {

class RecordingResource : public std::pmr::memory_resource {
 public:
  std::size_t bytes = 0, calls = 0, alignment = 0;

 private:
  void* do_allocate(std::size_t size, std::size_t align) override {
    bytes += size;
    alignment = align;
    ++calls;
    void* p = std::pmr::new_delete_resource()->allocate(size, align);
    std::fill_n(static_cast<unsigned char*>(p), size, static_cast<unsigned char>(0xab));
    return p;
  }
  void do_deallocate(void* p, std::size_t size, std::size_t align) override {
    bytes -= size;
    std::pmr::new_delete_resource()->deallocate(p, size, align);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace

TEST_CASE("arena: build allocates once, exactly what measure announced", "[arena]") {
  View<float, 2> x;
  View<std::int32_t, 1> y;
  const auto plan = [&](Arena& arena) {
    x = arena.take<float, 2>({3, 5});
    y = arena.take<std::int32_t, 1>({17});
  };
  const std::size_t bytes = Arena::measure(plan);
  CHECK(bytes == 64 + 128);  // 60 and 68 bytes, each rounded up to kAlignment
  CHECK(!x);
  CHECK(x.shape() == std::array<std::size_t, 2>{3, 5});

  RecordingResource resource;
  {
    Arena arena(&resource);
    arena.build(plan);
    CHECK(resource.calls == 1);
    CHECK(resource.bytes == bytes);
    CHECK(resource.alignment == kAlignment);
    CHECK(arena.size() == bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(x.data()) % kAlignment == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(y.data()) % kAlignment == 0);
    CHECK(reinterpret_cast<std::byte*>(y.data()) >= reinterpret_cast<std::byte*>(x.data() + x.size()));
    CHECK(std::all_of(x.data(), x.data() + x.size(), [](float v) { return v == 0; }));
    CHECK(std::all_of(y.data(), y.data() + y.size(), [](std::int32_t v) { return v == 0; }));

    arena.build([&](Arena& a) { x = a.take<float, 2>({1, 1}); });
    CHECK(resource.bytes == 64);
  }
  CHECK(resource.bytes == 0);
}

TEST_CASE("arena: released buffers share bytes and the peak counts them once", "[arena]") {
  View<float, 1> kept, first, second, after;
  const auto plan = [&](Arena& arena) {
    kept = arena.take<float, 1>({16});
    const std::size_t mark = arena.mark();
    first = arena.take<float, 1>({64});
    arena.release(mark);
    second = arena.take<float, 1>({32});
    after = arena.take<float, 1>({16});
  };
  CHECK(Arena::measure(plan) == 64 + 256);
  Arena arena;
  arena.build(plan);
  CHECK(first.data() == second.data());
  CHECK(after.data() == second.data() + 32);
  CHECK(kept.data() + 16 == first.data());
}

TEST_CASE("arena: a plan that takes more than it measured is a bug that is caught", "[arena]") {
  Arena arena;
  std::size_t extent = 16;
  CHECK_THROWS_AS(arena.build([&](Arena& a) {
    (void)a.take<float, 1>({extent});
    extent = 100;
  }),
                  Error);
}
