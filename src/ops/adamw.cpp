// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/adamw.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "ops/chunks.hpp"

namespace minimoe {

template <class T>
void adamw_update(Exec& exec, View<T, 1> weight, View<T, 1> moment1, View<T, 1> moment2, In<T, 1> gradient,
                  const AdamWStep& options) {
  check_shape("adamw_update", "moment1", moment1, weight.shape());
  check_shape("adamw_update", "moment2", moment2, weight.shape());
  check_shape("adamw_update", "gradient", gradient, weight.shape());
  if (options.step < 1) require(false, "adamw_update: step is ", options.step, ", expected 1 or more");

  const double step = static_cast<double>(options.step);
  const double correction1 = -std::expm1(step * std::log(options.beta1));
  const double correction2 = -std::expm1(step * std::log(options.beta2));
  AdamWFactors<T> factors;
  factors.gradient_scale = static_cast<T>(options.gradient_scale);
  factors.beta1 = static_cast<T>(options.beta1);
  factors.one_minus_beta1 = static_cast<T>(1 - options.beta1);
  factors.beta2 = static_cast<T>(options.beta2);
  factors.one_minus_beta2 = static_cast<T>(1 - options.beta2);
  factors.keep = static_cast<T>(1 - options.learning_rate * options.weight_decay);
  factors.rate = static_cast<T>(options.learning_rate / correction1);
  factors.root_correction = static_cast<T>(1 / std::sqrt(correction2));
  factors.eps = static_cast<T>(options.eps);
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(weight.size(), kElementsPerChunk, [&](std::size_t begin, std::size_t end, int) {
    k.adamw(weight.data() + begin, moment1.data() + begin, moment2.data() + begin, gradient.data() + begin, end - begin,
            factors);
  });
}

template <class T>
double sum_of_squares(Exec& exec, View<const T, 1> x) {
  constexpr std::size_t kParts = 256;
  std::array<double, kParts> parts{};
  const std::size_t chunk = std::max(kElementsPerChunk, (x.size() + kParts - 1) / kParts);
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(x.size(), chunk, [&](std::size_t begin, std::size_t end, int) {
    parts[begin / chunk] = k.sum_of_squares(x.data() + begin, end - begin);
  });
  double total = 0;
  for (const double part : parts) total += part;
  return total;
}

#define MINIMOE_INSTANTIATE(T)                                                                          \
  template void adamw_update<T>(Exec&, View<T, 1>, View<T, 1>, View<T, 1>, In<T, 1>, const AdamWStep&); \
  template double sum_of_squares<T>(Exec&, View<const T, 1>);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)

}  // namespace minimoe
