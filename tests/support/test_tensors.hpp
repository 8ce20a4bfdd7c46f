// SPDX-License-Identifier: Apache-2.0
// Random tensors for tests, and how close two of them are.
#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "minimoe/core/random.hpp"
#include "minimoe/core/tensor.hpp"

namespace minimoe::test {

/// Normal values addressed by name; the float tensor is the rounded double one.
template <class T, std::size_t N>
Tensor<T, N> random_tensor(const std::array<std::size_t, N>& shape, const std::string& name, double scale = 1) {
  Tensor<T, N> tensor = make_tensor<T, N>(shape);
  const RandomStream stream(36000, name);
  for (std::size_t i = 0; i < tensor.size(); ++i) tensor.data()[i] = static_cast<T>(scale * stream.normal(i));
  return tensor;
}

template <class Tensor>
std::vector<double> values(const Tensor& tensor) {
  return std::vector<double>(tensor.data(), tensor.data() + tensor.size());
}

/// ||a - b|| / (||a|| + ||b||); 0 when both are zero, NaN when anything is, 2 when the sizes differ.
inline double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return 2;
  double difference = 0, norm_a = 0, norm_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm_a += a[i] * a[i];
    norm_b += b[i] * b[i];
  }
  return difference == 0 ? 0 : std::sqrt(difference) / (std::sqrt(norm_a) + std::sqrt(norm_b));
}

template <class A, class B>
bool same_bits(const A& a, const B& b) {
  static_assert(sizeof(*a.data()) == sizeof(*b.data()));
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(*a.data())) == 0;
}

/// What an op may lose against loops in double: rounding of a few hundred terms.
template <class T>
inline constexpr double kOracleError = sizeof(T) == 4 ? 2e-6 : 2e-14;

}  // namespace minimoe::test
