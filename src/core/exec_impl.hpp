// SPDX-License-Identifier: Apache-2.0
// What an Exec owns; for the parts of the library that need the packing scratch.
#pragma once

#include <cstdint>
#include <tuple>

#include "core/simd/kernels.hpp"
#include "core/thread_pool.hpp"
#include "minimoe/core/exec.hpp"
#include "minimoe/core/packed_weights.hpp"

namespace minimoe {

struct Exec::Impl {
  explicit Impl(const ExecOptions& options);
  ~Impl();

  ThreadPool& pool();

  /// The kernels of matmul in the present precision.
  template <class T>
  const GemmKernels<T>& gemm() const;

  /// What a PackedWeightsScope has set.
  template <class T>
  const PackedWeights<T>*& packed_weights() {
    return std::get<const PackedWeights<T>*>(packed_);
  }

  /// kPackedBytes for packed B, shared by all threads.
  std::byte* packed_b() const { return scratch; }
  /// packed_a_bytes() of one worker.
  std::byte* packed_a(int worker) const { return scratch + kPackedBytes + worker * kCopiedBytes; }

  // Half of a usual third-level slice: large enough that few products need a second round, small beside any model.
  static constexpr std::size_t kPackedBytes = std::size_t{2} << 20;
  // What the copied rows of A need on the most demanding instruction set, checked in the constructor.
  static constexpr std::size_t kCopiedBytes = std::size_t{32} << 10;

  int num_threads;
  InstructionSet instruction_set;
  MatmulBackend matmul_backend;
  Precision precision = Precision::kFloat32;
  const KernelTables* tables;
  const GemmKernels<float>* bf16;
  MemoryResource* resource;
  std::byte* scratch = nullptr;
  std::size_t scratch_bytes = 0;
  ThreadPool* threads = nullptr;
  std::uint64_t threads_process = 0;  ///< the process_generation() that started them; 0: none did

 private:
  std::tuple<const PackedWeights<float>*, const PackedWeights<double>*> packed_{};
};

template <>
inline const GemmKernels<float>& Exec::Impl::gemm<float>() const {
  return precision == Precision::kBfloat16 ? *bf16 : tables->f32.gemm;
}
template <>
inline const GemmKernels<double>& Exec::Impl::gemm<double>() const {
  return tables->f64.gemm;
}

}  // namespace minimoe
