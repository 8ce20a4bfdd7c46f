// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/activation.hpp"

#include "ops/chunks.hpp"

namespace minimoe {

template <class T>
void gelu_forward(Exec& exec, View<T, 1> y, In<T, 1> x, Gelu kind) {
  check_shape("gelu_forward", "x", x, y.shape());
  const Kernels<T>& k = exec.kernels<T>();
  const auto kernel = kind == Gelu::kTanh ? k.gelu_tanh_forward : k.gelu_erf_forward;
  exec.parallel_for(y.size(), kElementsPerChunk, [&](std::size_t begin, std::size_t end, int) {
    kernel(y.data() + begin, x.data() + begin, end - begin);
  });
}

template <class T>
void gelu_backward(Exec& exec, View<T, 1> d_x, In<T, 1> d_y, In<T, 1> x, Gelu kind) {
  check_shape("gelu_backward", "d_y", d_y, d_x.shape());
  check_shape("gelu_backward", "x", x, d_x.shape());
  const Kernels<T>& k = exec.kernels<T>();
  const auto kernel = kind == Gelu::kTanh ? k.gelu_tanh_backward : k.gelu_erf_backward;
  exec.parallel_for(d_x.size(), kElementsPerChunk, [&](std::size_t begin, std::size_t end, int) {
    kernel(d_x.data() + begin, d_y.data() + begin, x.data() + begin, end - begin);
  });
}

template <class T>
void silu_forward(Exec& exec, View<T, 1> y, In<T, 1> x) {
  check_shape("silu_forward", "x", x, y.shape());
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(y.size(), kElementsPerChunk, [&](std::size_t begin, std::size_t end, int) {
    k.silu_forward(y.data() + begin, x.data() + begin, end - begin);
  });
}

template <class T>
void silu_backward(Exec& exec, View<T, 1> d_x, In<T, 1> d_y, In<T, 1> x) {
  check_shape("silu_backward", "d_y", d_y, d_x.shape());
  check_shape("silu_backward", "x", x, d_x.shape());
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(d_x.size(), kElementsPerChunk, [&](std::size_t begin, std::size_t end, int) {
    k.silu_backward(d_x.data() + begin, d_y.data() + begin, x.data() + begin, end - begin);
  });
}

template <class T>
void swiglu_forward(Exec& exec, View<T, 1> y, In<T, 1> gate, In<T, 1> up) {
  check_shape("swiglu_forward", "gate", gate, y.shape());
  check_shape("swiglu_forward", "up", up, y.shape());
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(y.size(), kElementsPerChunk, [&](std::size_t begin, std::size_t end, int) {
    k.swiglu_forward(y.data() + begin, gate.data() + begin, up.data() + begin, end - begin);
  });
}

template <class T>
void swiglu_backward(Exec& exec, View<T, 1> d_gate, View<T, 1> d_up, In<T, 1> d_y, In<T, 1> gate, In<T, 1> up) {
  check_shape("swiglu_backward", "d_up", d_up, d_gate.shape());
  check_shape("swiglu_backward", "d_y", d_y, d_gate.shape());
  check_shape("swiglu_backward", "gate", gate, d_gate.shape());
  check_shape("swiglu_backward", "up", up, d_gate.shape());
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(d_gate.size(), kElementsPerChunk, [&](std::size_t begin, std::size_t end, int) {
    k.swiglu_backward(d_gate.data() + begin, d_up.data() + begin, d_y.data() + begin, gate.data() + begin,
                      up.data() + begin, end - begin);
  });
}

#define MINIMOE_INSTANTIATE(T)                                                 \
  template void gelu_forward<T>(Exec&, View<T, 1>, In<T, 1>, Gelu);            \
  template void gelu_backward<T>(Exec&, View<T, 1>, In<T, 1>, In<T, 1>, Gelu); \
  template void silu_forward<T>(Exec&, View<T, 1>, In<T, 1>);                  \
  template void silu_backward<T>(Exec&, View<T, 1>, In<T, 1>, In<T, 1>);       \
  template void swiglu_forward<T>(Exec&, View<T, 1>, In<T, 1>, In<T, 1>);      \
  template void swiglu_backward<T>(Exec&, View<T, 1>, View<T, 1>, In<T, 1>, In<T, 1>, In<T, 1>);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)

}  // namespace minimoe
