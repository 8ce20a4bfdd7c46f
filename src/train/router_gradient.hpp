// SPDX-License-Identifier: Apache-2.0
// One router's gradient as a vector: what two losses are compared by.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "minimoe/train/trainer.hpp"

namespace minimoe {

/// Weight, then bias.
struct RouterGradient {
  std::vector<double> values;

  double dot(const RouterGradient& other) const {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[i] * other.values[i];
    return sum;
  }
  double norm() const { return std::sqrt(dot(*this)); }
};

/// Of the MoE layers in `blocks`, as the last backward left them.
template <class T>
std::vector<RouterGradient> router_gradients(const std::vector<ParameterRef<T>>& weights,
                                             const std::vector<std::size_t>& blocks) {
  std::vector<RouterGradient> gradients(blocks.size());
  for (std::size_t layer = 0; layer < blocks.size(); ++layer) {
    const std::string prefix = concat("blocks.", blocks[layer], ".moe.router.");
    for (const ParameterRef<T>& p : weights) {
      if (!p.name.starts_with(prefix)) continue;
      gradients[layer].values.insert(gradients[layer].values.end(), p.gradient, p.gradient + p.size());
    }
  }
  return gradients;
}

inline RouterInterference compare_gradients(std::size_t block, const RouterGradient& main, const RouterGradient& aux,
                                            double aux_coef) {
  RouterInterference found{block, main.norm(), aux.norm(), std::nullopt, std::nullopt};
  if (found.main_norm > 0) found.scaled_ratio = aux_coef * found.aux_norm / found.main_norm;
  if (found.main_norm > 0 && found.aux_norm > 0) {
    found.cosine = std::clamp(main.dot(aux) / found.main_norm / found.aux_norm, -1.0, 1.0);
  }
  return found;
}

}  // namespace minimoe
