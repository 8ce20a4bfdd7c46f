// SPDX-License-Identifier: Apache-2.0
#include "minimoe/core/tensor.hpp"

#include "minimoe/core/arena.hpp"
#include "support/catch.hpp"

using namespace minimoe;

namespace {

// What a layer's signature looks like: the output deduces T, inputs convert to it.
template <class T>
T first(View<T, 2> out, In<T, 2> in) {
  return out(0, 0) + in(0, 0);
}

}  // namespace

TEST_CASE("tensor: views are row-major windows on a tensor's own storage", "[tensor]") {
  Tensor<float, 3> x = make_tensor<float, 3>({2, 3, 4});
  CHECK(reinterpret_cast<std::uintptr_t>(x.data()) % kAlignment == 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    REQUIRE(x.data()[i] == 0);
    x.data()[i] = static_cast<float>(i);
  }
  const View<float, 3> view = x;
  CHECK(view(1, 2, 3) == 23);
  CHECK(view(1, 2, 3) == x(1, 2, 3));
  CHECK(view.row(1) == x.data() + 12);
  CHECK(view.row(1, 2) == x.data() + 20);
  CHECK(view.rows(1, 2).data() == x.data() + 12);
  CHECK(view.rows(1, 2).shape() == std::array<std::size_t, 3>{1, 3, 4});
  CHECK(view.reshape<2>({6, 4})(5, 3) == 23);
  CHECK(view.flat().size() == 24);
  view(0, 0, 0) = 7;
  CHECK(x(0, 0, 0) == 7);
}

TEST_CASE("tensor: an absent view is false and has no elements", "[tensor]") {
  const View<float, 2> absent;
  CHECK(!absent);
  CHECK(absent.size() == 0);
}

TEST_CASE("tensor: tensors and mutable views convert to inputs", "[tensor]") {
  Tensor<double, 2> x = make_tensor<double, 2>({1, 1});
  x(0, 0) = 2;
  const Tensor<double, 2>& constant = x;
  const View<double, 2> view = x;
  CHECK(first(view, x) == 4);
  CHECK(first(view, constant) == 4);
  CHECK(first(view, view) == 4);
}

TEST_CASE("tensor: wrong shapes are refused with both", "[tensor]") {
  Tensor<float, 2> x = make_tensor<float, 2>({2, 3});
  const View<float, 2> view = x;
  CHECK_THROWS_WITH(view.reshape<1>({5}), ContainsSubstring("[2, 3]") && ContainsSubstring("[5]"));
  CHECK_THROWS_WITH((check_shape<float, 2>("linear_forward", "y_TN", view, {2, 4})),
                    "linear_forward: y_TN is [2, 3], expected [2, 4]");
  CHECK_NOTHROW(check_shape<float, 2>("linear_forward", "y_TN", view, {2, 3}));
}

TEST_CASE("tensor: a size that wraps around is refused before anything is allocated", "[tensor]") {
  const std::size_t huge = std::size_t{1} << 62;
  CHECK_THROWS_WITH((make_tensor<float, 3>({4, huge, 4})), ContainsSubstring("more than memory can address"));
  CHECK_THROWS_WITH(Arena::measure([&](Arena& a) {
                      a.take<double, 2>({huge, 4});
                    }),
                    ContainsSubstring("more than memory can address"));
  CHECK_THROWS_WITH((make_tensor<float, 3>({0, huge, huge})), ContainsSubstring("more than memory can address"));
  CHECK((make_tensor<float, 3>({0, huge / 16, 1})).size() == 0);
}
