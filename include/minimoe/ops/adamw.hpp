// SPDX-License-Identifier: Apache-2.0
// One AdamW update of a tensor (Loshchilov & Hutter, "Decoupled weight decay regularization", arXiv:1711.05101).
#pragma once

#include "minimoe/core/exec.hpp"

namespace minimoe {

struct AdamWStep {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0;    ///< 0 for tensors that are not decayed
  double gradient_scale = 1;  ///< multiplies the gradient first (global-norm clipping)
  std::int64_t step = 1;      ///< 1 for the first update; for the bias corrections
};

/// As torch.optim.AdamW: w -= lr * weight_decay * w; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
/// w -= lr / (1 - beta1^step) * m / (sqrt(v / (1 - beta2^step)) + eps).
template <class T>
void adamw_update(Exec& exec, View<T, 1> weight, View<T, 1> moment1, View<T, 1> moment2, In<T, 1> gradient,
                  const AdamWStep& options);

/// Sum of squares in double, in a fixed order; infinite or NaN when an element is.
template <class T>
double sum_of_squares(Exec& exec, View<const T, 1> x);

}  // namespace minimoe
