// SPDX-License-Identifier: Apache-2.0
#include "minimoe/core/packed_weights.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "core/exec_impl.hpp"

namespace minimoe {
namespace {

template <class T>
std::size_t packed_elements(Exec& exec, View<const T, 2> weight) {
  const std::size_t vector = exec.kernels<T>().gemm.vector;
  return (weight.shape(0) + vector - 1) / vector * vector * weight.shape(1);
}

}  // namespace

template <class T>
std::size_t PackedWeights<T>::memory_bytes(Exec& exec, const std::vector<View<const T, 2>>& weights) {
  std::size_t elements = 0;
  for (const View<const T, 2>& weight : weights) elements += packed_elements(exec, weight);
  return elements * sizeof(T);
}

template <class T>
PackedWeights<T>::PackedWeights(Exec& exec, const std::vector<View<const T, 2>>& weights, MemoryResource* resource)
    : instruction_set_(exec.instruction_set()),
      resource_(resource ? resource : std::pmr::get_default_resource()),
      num_bytes_(memory_bytes(exec, weights)),
      data_(static_cast<T*>(resource_->allocate(num_bytes_, kAlignment))) {
  try {
    entries_.reserve(weights.size());
    const GemmKernels<T>& kernels = exec.kernels<T>().gemm;
    T* panels = data_;
    for (const View<const T, 2>& weight : weights) {
      const std::size_t N = weight.shape(0), K = weight.shape(1), columns = kernels.panel_columns;
      exec.parallel_for(N, columns, [&](std::size_t begin, std::size_t end, int) {
        kernels.pack_panels(panels + begin * K, weight.data() + begin * K, K, end - begin, K);
      });
      entries_.push_back({weight, panels});
      panels += packed_elements(exec, weight);
    }
    std::sort(entries_.begin(), entries_.end(),
              [](const Entry& a, const Entry& b) { return std::less<const T*>()(a.weight.data(), b.weight.data()); });
  } catch (...) {
    resource_->deallocate(data_, num_bytes_, kAlignment);
    throw;
  }
}

template <class T>
PackedWeights<T>::~PackedWeights() {
  resource_->deallocate(data_, num_bytes_, kAlignment);
}

template <class T>
const T* PackedWeights<T>::find(InstructionSet set, View<const T, 2> weight) const {
  if (set != instruction_set_) return nullptr;
  const auto at = std::lower_bound(
      entries_.begin(), entries_.end(), weight.data(),
      [](const Entry& entry, const T* wanted) { return std::less<const T*>()(entry.weight.data(), wanted); });
  const bool found = at != entries_.end() && at->weight.data() == weight.data() && at->weight.shape() == weight.shape();
  return found ? at->panels : nullptr;
}

template <class T>
PackedWeightsScope<T>::PackedWeightsScope(Exec& exec, const PackedWeights<T>* packed)
    : exec_(exec), outer_(std::exchange(exec.impl().packed_weights<T>(), packed)) {}

template <class T>
PackedWeightsScope<T>::~PackedWeightsScope() {
  exec_.impl().packed_weights<T>() = outer_;
}

template class PackedWeights<float>;
template class PackedWeights<double>;
template class PackedWeightsScope<float>;
template class PackedWeightsScope<double>;

}  // namespace minimoe
