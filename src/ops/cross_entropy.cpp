// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/cross_entropy.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "ops/chunks.hpp"

namespace minimoe {
namespace {

void check_targets(const char* where, View<const std::int32_t, 1> targets, std::size_t V) {
  for (std::size_t t = 0; t < targets.size(); ++t) {
    const std::int32_t target = targets.data()[t];
    if (target == kIgnoreIndex || (target >= 0 && static_cast<std::size_t>(target) < V)) continue;
    require(false, where, ": targets[", t, "] is ", target, ", expected 0 <= target < ", V, " (vocab_size) or ",
            kIgnoreIndex, " (ignored)");
  }
}

}  // namespace

template <class T>
CrossEntropySum cross_entropy_forward(Exec& exec, OptionalOut<T, 1> lse, View<const std::type_identity_t<T>, 2> logits,
                                      View<const std::int32_t, 1> targets) {
  const std::size_t tokens = logits.shape(0), V = logits.shape(1);
  check_shape("cross_entropy_forward", "targets", targets, {tokens});
  if (lse) check_shape("cross_entropy_forward", "lse", lse, {tokens});
  check_targets("cross_entropy_forward", targets, V);
  require(V > 0, "cross_entropy_forward: logits have no columns");

  // At most kParts partial sums, cut by token count alone and added in order.
  constexpr std::size_t kParts = 256;
  std::array<CrossEntropySum, kParts> parts{};
  const std::size_t chunk = std::max<std::size_t>({1, (tokens + kParts - 1) / kParts, rows_per_chunk(V)});
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(tokens, chunk, [&](std::size_t begin, std::size_t end, int) {
    CrossEntropySum sum;
    for (std::size_t t = begin; t < end; ++t) {
      const std::int32_t target = targets.data()[t];
      if (target == kIgnoreIndex && !lse) continue;
      T max, exp_sum;
      k.max_and_exp_sum(logits.row(t), V, &max, &exp_sum);
      const double log_sum = std::log(static_cast<double>(exp_sum));
      if (lse) lse.data()[t] = static_cast<T>(static_cast<double>(max) + log_sum);
      if (target == kIgnoreIndex) continue;
      sum.loss += static_cast<double>(max) - static_cast<double>(logits.row(t)[target]) + log_sum;
      ++sum.num_targets;
    }
    parts[begin / chunk] = sum;
  });
  CrossEntropySum total;
  for (const CrossEntropySum& part : parts) {
    total.loss += part.loss;
    total.num_targets += part.num_targets;
  }
  return total;
}

template <class T>
void cross_entropy_backward(Exec& exec, View<T, 2> d_logits, In<T, 2> logits, In<T, 1> lse,
                            View<const std::int32_t, 1> targets, double scale) {
  const std::size_t tokens = logits.shape(0), V = logits.shape(1);
  check_shape("cross_entropy_backward", "d_logits", d_logits, logits.shape());
  check_shape("cross_entropy_backward", "lse", lse, {tokens});
  check_shape("cross_entropy_backward", "targets", targets, {tokens});
  check_targets("cross_entropy_backward", targets, V);
  const Kernels<T>& k = exec.kernels<T>();
  const T factor = static_cast<T>(scale);
  exec.parallel_for(tokens, rows_per_chunk(V), [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      const std::int32_t target = targets.data()[t];
      if (target == kIgnoreIndex) {
        std::fill_n(d_logits.row(t), V, T{0});
      } else {
        k.scaled_exp(d_logits.row(t), logits.row(t), V, lse.data()[t], factor);
        d_logits.row(t)[target] -= factor;
      }
    }
  });
}

#define MINIMOE_INSTANTIATE(T)                                                                                        \
  template CrossEntropySum cross_entropy_forward<T>(Exec&, OptionalOut<T, 1>, View<const std::type_identity_t<T>, 2>, \
                                                    View<const std::int32_t, 1>);                                     \
  template void cross_entropy_backward<T>(Exec&, View<T, 2>, In<T, 2>, In<T, 1>, View<const std::int32_t, 1>, double);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)

}  // namespace minimoe
