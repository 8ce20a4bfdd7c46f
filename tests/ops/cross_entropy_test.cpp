// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/cross_entropy.hpp"

#include "support/catch.hpp"
#include "support/gradient_check.hpp"
#include "support/ops_run.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

View<const std::int32_t, 1> view(const std::vector<std::int32_t>& ids) { return {ids.data(), {ids.size()}}; }

}  // namespace

TEST_CASE("cross_entropy: uniform logits lose ln V, a certain and right one loses 0", "[ops][cross_entropy]") {
  Exec exec;
  Tensor<double, 2> logits = make_tensor<double, 2>({3, 4});
  logits(1, 2) = 1000;
  Tensor<double, 1> lse = make_tensor<double, 1>({3});
  const CrossEntropySum sum = cross_entropy_forward<double>(exec, lse, logits, view({1, 2, kIgnoreIndex}));
  CHECK(sum.num_targets == 2);
  CHECK(sum.loss == Approx(std::log(4.0)).epsilon(1e-15));
  CHECK(lse(1) == 1000);
  CHECK(lse(2) == Approx(std::log(4.0)).epsilon(1e-15));
  cross_entropy_backward<double>(exec, logits, logits, lse, view({1, 2, kIgnoreIndex}), 2);
  CHECK(logits(0, 0) == Approx(0.5).epsilon(1e-15));
  CHECK(logits(0, 1) == Approx(-1.5).epsilon(1e-15));
  for (std::size_t j = 0; j < 4; ++j) {
    CHECK(logits(1, j) == 0);
    CHECK(logits(2, j) == 0);
  }
}

TEST_CASE("cross_entropy: gradient equals central differences", "[ops][cross_entropy][gradient]") {
  Exec exec;
  Tensor<double, 2> logits = random_tensor<double, 2>({9, 13}, "logits", 2), d_logits = logits;
  Tensor<double, 1> lse = make_tensor<double, 1>({9});
  const std::vector<std::int32_t> targets = random_targets(9, 13);
  cross_entropy_forward<double>(exec, lse, logits, view(targets));
  cross_entropy_backward<double>(exec, d_logits, logits, lse, view(targets), 0.125);
  CHECK_GRADIENT(logits, d_logits,
                 [&] { return 0.125 * cross_entropy_forward<double>(exec, {}, logits, view(targets)).loss; });
}

TEMPLATE_TEST_CASE("cross_entropy: ignored tokens contribute nothing, whatever their logits", "[ops][cross_entropy]",
                   float, double) {
  using T = TestType;
  Exec exec;
  const Tensor<T, 2> logits = random_tensor<T, 2>({50, 17}, "logits");
  const std::vector<std::int32_t> targets = random_targets(50, 17);
  Tensor<T, 2> changed = logits, d_logits = logits, d_changed = logits;
  Tensor<T, 1> lse = make_tensor<T, 1>({50}), lse_changed = lse;
  for (std::size_t t = 3; t < 50; t += 5) std::fill_n(&changed(t, 0), 17, T(5000));
  const CrossEntropySum sum = cross_entropy_forward<T>(exec, lse, logits, view(targets));
  const CrossEntropySum sum_changed = cross_entropy_forward<T>(exec, lse_changed, changed, view(targets));
  CHECK(sum.loss == sum_changed.loss);
  CHECK(sum.num_targets == 40);
  CHECK(cross_entropy_forward<T>(exec, {}, logits, view(targets)).loss == sum.loss);
  cross_entropy_backward<T>(exec, d_logits, logits, lse, view(targets), 1);
  cross_entropy_backward<T>(exec, d_changed, changed, lse_changed, view(targets), 1);
  CHECK(same_bits(d_logits, d_changed));
}

TEST_CASE("cross_entropy: targets out of range are refused with position, value and range", "[ops][cross_entropy]") {
  Exec exec;
  Tensor<float, 2> logits = make_tensor<float, 2>({2, 3}), bad = make_tensor<float, 2>({3, 3});
  Tensor<float, 1> lse = make_tensor<float, 1>({2});
  logits(0, 0) = 5;
  CHECK_THROWS_WITH(cross_entropy_forward<float>(exec, {}, logits, view({0, 3})),
                    "cross_entropy_forward: targets[1] is 3, expected 0 <= target < 3 (vocab_size) or -100 (ignored)");
  CHECK_THROWS_WITH(
      cross_entropy_backward<float>(exec, logits, logits, lse, view({-1, 0}), 1),
      "cross_entropy_backward: targets[0] is -1, expected 0 <= target < 3 (vocab_size) or -100 (ignored)");
  CHECK(logits(0, 0) == 5);
  CHECK_THROWS_WITH(cross_entropy_forward<float>(exec, {}, bad, view({0, 1})),
                    "cross_entropy_forward: targets is [2], expected [3]");
  CHECK_THROWS_WITH(cross_entropy_backward<float>(exec, bad, logits, lse, view({0, 1}), 1),
                    "cross_entropy_backward: d_logits is [3, 3], expected [2, 3]");
}
