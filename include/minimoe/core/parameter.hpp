// SPDX-License-Identifier: Apache-2.0
// Parameters and the one registry that optimizer, weight decay, checkpoints, gradient checks and exports walk.
//
// Gradient convention of the whole library, stated once: a parameter's gradient accumulates (+=), an activation's
// gradient is overwritten (=); the trainer zeroes parameter gradients at the start of a step.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "minimoe/core/random.hpp"
#include "minimoe/core/tensor.hpp"

namespace minimoe {

enum class Decay { kNo, kYes };
enum class Role {
  kWeight,  ///< trained by the optimizer
  kBuffer,  ///< saved and restored, no gradient (expert_bias)
};

/// A tensor that a layer owns, and its gradient, whose memory the trainer (or a host) binds; inference needs none.
template <class T, std::size_t N>
struct Parameter {
  std::unique_ptr<Tensor<T, N>> storage;  ///< moved by pointer: xtensor's move assignment leaves the allocator behind
  View<T, N> value;                       ///< of storage, or of a buffer that the host bound
  View<T, N> gradient;                    ///< absent until bound; accumulates

  Parameter() = default;
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(Parameter&&) noexcept = default;
  explicit operator bool() const { return static_cast<bool>(value); }
};

/// One entry of the registry: a type- and rank-erased handle on a layer's Parameter. Valid while the layer stays in
/// place.
template <class T>
struct ParameterRef {
  std::string name;  ///< dotted, e.g. blocks.0.moe.router.weight
  std::vector<std::size_t> shape;
  T* value = nullptr;
  T* gradient = nullptr;     ///< null until bound, and for buffers
  Decay decay = Decay::kNo;  ///< matrices, embeddings, router, stacked experts; never biases, norms or buffers
  Role role = Role::kWeight;
  double init_std = 0;  ///< standard deviation of the normal start value around init_value; 0: constant
  double init_value = 0;
  const std::vector<double>* init_values = nullptr;  ///< when set: the start values, entry by entry
  double learning_rate_factor = 1;
  std::function<void(T*)> bind_gradient;  ///< gives the layer the memory of its gradient; null: none
  /// Makes the layer use this memory for the values, as it stands there (null: its own again, with the values that it
  /// had); returns what it then uses.
  std::function<T*(T*)> bind_value;

  std::size_t size() const {
    std::size_t n = 1;
    for (const std::size_t extent : shape) n *= extent;
    return n;
  }
};

template <class T>
using ParameterList = std::vector<ParameterRef<T>>;

/// What collect_parameters does with each parameter of a layer.
struct ParameterTraits {
  Decay decay = Decay::kNo;
  double init_std = 0;
  double init_value = 0;
  double learning_rate_factor = 1;
  Role role = Role::kWeight;
  const std::vector<double>* init_values = nullptr;  ///< replaces init_value entry by entry; the layer owns it
};

/// "blocks.0" and "norm1" make "blocks.0.norm1"; at the root, where the prefix is empty, "norm1" it stays.
inline std::string dotted_name(const std::string& prefix, const char* name) {
  return prefix.empty() ? std::string(name) : prefix + "." + name;
}

/// Appends `parameter` to the registry under `name`; an absent parameter is left out.
template <class T, std::size_t N>
void add_parameter(ParameterList<T>& list, const std::string& name, Parameter<T, N>& parameter,
                   const ParameterTraits& traits) {
  if (!parameter) return;
  ParameterRef<T> ref;
  ref.name = name;
  ref.shape.assign(parameter.value.shape().begin(), parameter.value.shape().end());
  ref.value = parameter.value.data();
  ref.gradient = parameter.gradient.data();
  ref.decay = traits.decay;
  ref.role = traits.role;
  ref.init_std = traits.init_std;
  ref.init_value = traits.init_value;
  ref.init_values = traits.init_values;
  ref.learning_rate_factor = traits.learning_rate_factor;
  ref.bind_value = [&parameter](T* data) {
    parameter.value = View<T, N>(data ? data : parameter.storage->data(), parameter.value.shape());
    return parameter.value.data();
  };
  if (traits.role == Role::kWeight) {
    ref.bind_gradient = [&parameter](T* data) { parameter.gradient = View<T, N>(data, parameter.value.shape()); };
  }
  list.push_back(std::move(ref));
}

/// A zero parameter of `shape`, without a gradient.
template <class T, std::size_t N>
Parameter<T, N> make_parameter(const std::array<std::size_t, N>& shape, MemoryResource* resource) {
  Parameter<T, N> parameter;
  parameter.storage = std::make_unique<Tensor<T, N>>(make_tensor<T, N>(shape, resource));
  parameter.value = *parameter.storage;
  return parameter;
}

/// Sets every listed tensor to its start value, addressed by (seed, name, index): a dense and an MoE model of the same
/// seed share every tensor that they have in common.
template <class T>
void initialize_parameters(const ParameterList<T>& parameters, std::uint64_t seed) {
  for (const ParameterRef<T>& p : parameters) {
    const RandomStream stream(seed, p.name);
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double mean = p.init_values ? (*p.init_values)[i] : p.init_value;
      p.value[i] = static_cast<T>(p.init_std > 0 ? p.init_std * stream.normal(i) + mean : mean);
    }
  }
}

}  // namespace minimoe
