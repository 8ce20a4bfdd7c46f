// SPDX-License-Identifier: Apache-2.0
// What an Exec owns; for the parts of the library that need the packing scratch.
#pragma once

#include "core/simd/kernels.hpp"
#include "core/thread_pool.hpp"
#include "minimoe/core/exec.hpp"

namespace minimoe {

struct Exec::Impl {
  explicit Impl(const ExecOptions& options);
  ~Impl();

  ThreadPool& pool();

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
  const KernelTables* tables;
  MemoryResource* resource;
  std::byte* scratch = nullptr;
  std::size_t scratch_bytes = 0;
  ThreadPool* threads = nullptr;
  long threads_process = 0;  ///< the process that started them: after fork() a child has none of them
};

}  // namespace minimoe
