// SPDX-License-Identifier: Apache-2.0
// Which tensor on disk is which part of which parameter of ours.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "exchange/hf_config.hpp"
#include "minimoe/core/parameter.hpp"

namespace minimoe {

/// One tensor on disk: a run of consecutive elements of one parameter.
struct HfTensor {
  std::string name;                ///< on disk
  std::vector<std::size_t> shape;  ///< on disk
  std::string parameter;           ///< ours
  std::size_t offset = 0;          ///< of its first element in the parameter
  bool transposed = false;         ///< a matrix [in, out] on disk, [out, in] in the parameter

  std::size_t size() const;
};

/// How many hf_tensors would list, before anything is allocated for them.
std::size_t num_hf_tensors(HfType type, const ModelConfig& config);

/// Every tensor of a model of `config`. They cover each parameter once, but expert_bias where the type has none.
std::vector<HfTensor> hf_tensors(HfType type, const ModelConfig& config);

/// `tensor` as it lies on disk, from its first element in the parameter's values on.
template <class From, class To>
void copy_to_disk_layout(const HfTensor& tensor, const From* values, To* out) {
  if (!tensor.transposed) {
    std::transform(values, values + tensor.size(), out, [](From v) { return static_cast<To>(v); });
    return;
  }
  const std::size_t rows = tensor.shape[0], columns = tensor.shape[1];
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) out[r * columns + c] = static_cast<To>(values[c * rows + r]);
  }
}

/// Whether some expert_bias, the one buffer that there is, is not 0.
template <class T>
bool has_expert_bias(const ParameterList<T>& parameters) {
  return std::any_of(parameters.begin(), parameters.end(), [](const ParameterRef<T>& p) {
    return p.role == Role::kBuffer && std::any_of(p.value, p.value + p.size(), [](T v) { return v != 0; });
  });
}

}  // namespace minimoe
