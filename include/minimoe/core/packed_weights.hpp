// SPDX-License-Identifier: Apache-2.0
// A second copy of weights, for tokens that come one at a time.
#pragma once

#include <vector>

#include "minimoe/core/exec.hpp"

namespace minimoe {

/// Weights of linear layers in the order in which the product with one row reads them. Such a product is bound by the
/// memory that they come from, and that is read fastest in one sweep; what it computes has the same bits. May be used
/// by any number of threads at a time.
template <class T>
class PackedWeights {
 public:
  /// Copies each of `weights` [N, K]; in those places the same values must stand as long as the copy is used.
  PackedWeights(Exec& exec, const std::vector<View<const T, 2>>& weights, MemoryResource* resource = nullptr);
  ~PackedWeights();
  PackedWeights(const PackedWeights&) = delete;
  PackedWeights& operator=(const PackedWeights&) = delete;

  /// Bytes of a copy for this context.
  static std::size_t memory_bytes(Exec& exec, const std::vector<View<const T, 2>>& weights);
  std::size_t memory_bytes() const { return num_bytes_; }

  /// The copy of the matrix `weight` for kernels of this instruction set; null: there is none.
  const T* find(InstructionSet set, View<const T, 2> weight) const;

 private:
  struct Entry {
    View<const T, 2> weight;
    const T* panels;
  };

  const InstructionSet instruction_set_;
  MemoryResource* const resource_;
  const std::size_t num_bytes_;
  T* const data_;
  std::vector<Entry> entries_;  // by address
};

/// Products of one scope read from `packed` what it holds; null: nothing. Only float32 and float64 products of the
/// native backend do.
template <class T>
class PackedWeightsScope {
 public:
  PackedWeightsScope(Exec& exec, const PackedWeights<T>* packed);
  ~PackedWeightsScope();
  PackedWeightsScope(const PackedWeightsScope&) = delete;
  PackedWeightsScope& operator=(const PackedWeightsScope&) = delete;

 private:
  Exec& exec_;
  const PackedWeights<T>* const outer_;
};

}  // namespace minimoe
