// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/rope.hpp"

#include <cmath>

#include "ops/chunks.hpp"

namespace minimoe {
namespace {

template <class T>
void rotate(const char* where, Exec& exec, View<T, 2> x, std::size_t num_heads, std::size_t seq_len, In<T, 2> cos,
            In<T, 2> sin, RopePairing pairing, bool inverse) {
  const std::size_t pairs = cos.shape(1);
  check_shape(where, "sin", sin, cos.shape());
  if (num_heads * 2 * pairs > x.shape(1) || seq_len == 0 || x.shape(0) % seq_len != 0 || seq_len > cos.shape(0)) {
    require(false, where, ": ", num_heads, " heads and seq_len ", seq_len, " with cos ", shape_string(cos.shape()),
            " ([S, head_dim / 2]) do not fit x ", shape_string(x.shape()));
  }
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(x.shape(0), rows_per_chunk(2 * pairs * num_heads), [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      k.rope(x.row(t), cos.row(t % seq_len), sin.row(t % seq_len), num_heads, pairs,
             pairing == RopePairing::kInterleaved, inverse);
    }
  });
}

}  // namespace

template <class T>
void rope_tables(View<T, 2> cos, View<T, 2> sin, double theta) {
  check_shape("rope_tables", "sin", sin, cos.shape());
  const std::size_t pairs = cos.shape(1);
  for (std::size_t i = 0; i < pairs; ++i) {
    const double frequency = std::pow(theta, -static_cast<double>(i) / static_cast<double>(pairs));
    for (std::size_t s = 0; s < cos.shape(0); ++s) {
      const double angle = static_cast<double>(s) * frequency;
      cos(s, i) = static_cast<T>(std::cos(angle));
      sin(s, i) = static_cast<T>(std::sin(angle));
    }
  }
}

template <class T>
void rope_forward(Exec& exec, View<T, 2> x, std::size_t num_heads, std::size_t seq_len, In<T, 2> cos, In<T, 2> sin,
                  RopePairing pairing) {
  rotate<T>("rope_forward", exec, x, num_heads, seq_len, cos, sin, pairing, false);
}

template <class T>
void rope_backward(Exec& exec, View<T, 2> d_x, std::size_t num_heads, std::size_t seq_len, In<T, 2> cos, In<T, 2> sin,
                   RopePairing pairing) {
  rotate<T>("rope_backward", exec, d_x, num_heads, seq_len, cos, sin, pairing, true);
}

#define MINIMOE_INSTANTIATE(T)                                                                                 \
  template void rope_tables<T>(View<T, 2>, View<T, 2>, double);                                                \
  template void rope_forward<T>(Exec&, View<T, 2>, std::size_t, std::size_t, In<T, 2>, In<T, 2>, RopePairing); \
  template void rope_backward<T>(Exec&, View<T, 2>, std::size_t, std::size_t, In<T, 2>, In<T, 2>, RopePairing);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)

}  // namespace minimoe
