// SPDX-License-Identifier: Apache-2.0
// The table of vector kernels that one instruction set provides. Single-threaded, on plain pointers; ops and matmul split
// the work and call them. Each instruction set is one object file (kernels_<set>.cpp compiles the *-inl.hpp files with
// its own -m flags inside Highway's per-target namespace); exec.cpp picks a table by cpuid.
#pragma once

#include <cstddef>
#include <cstdint>

#include "minimoe/core/exec.hpp"

namespace minimoe {

/// Rows and columns of the register tile, and the blocking that packing follows.
struct GemmTile {
  std::size_t rows;     ///< MR
  std::size_t columns;  ///< NR = 2 vectors
};

template <class T>
struct GemmKernels {
  GemmTile tile;
  // Filled by gemm-inl.hpp; see there.
};

template <class T>
struct Kernels {
  GemmKernels<T> gemm;
  // Elementwise, row and optimizer kernels: filled by elementwise-inl.hpp, rows-inl.hpp, optimizer-inl.hpp.
};

}  // namespace minimoe
