// SPDX-License-Identifier: Apache-2.0
// What the cores can do at most: fused multiply-adds of floats in registers.
#pragma once

namespace cli {

/// GFLOP/s (2 a multiply-add) of `num_threads` threads at once, the best of many short tries (50 ms).
double fma_peak_gflops(int num_threads);

}  // namespace cli
