// SPDX-License-Identifier: Apache-2.0
// LayerNorm or RMSNorm as a layer.
#pragma once

#include "minimoe/core/parameter.hpp"
#include "minimoe/model/model_config.hpp"
#include "minimoe/ops/norm.hpp"

namespace minimoe {

template <class T>
class Norm {
 public:
  Norm(NormKind kind, std::size_t width, double eps, MemoryResource* resource);

  /// Registers prefix.weight and, for LayerNorm, prefix.bias.
  void collect_parameters(const std::string& prefix, ParameterList<T>& list);
  /// @param mean, rstd [T], kept for backward (mean unused by RMSNorm).
  void forward(Exec& exec, View<T, 2> y, View<T, 1> mean, View<T, 1> rstd, In<T, 2> x) const;
  void backward(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> x, In<T, 1> mean, In<T, 1> rstd);

 private:
  NormKind kind_;
  double eps_;
  Parameter<T, 1> weight_, bias_;
};

}  // namespace minimoe
