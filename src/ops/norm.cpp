// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/norm.hpp"

#include "ops/chunks.hpp"

namespace minimoe {
namespace {

// Parameter gradients: each worker owns columns and walks all tokens, so the order of the sum never varies.
template <class T>
void parameters_backward_add(Exec& exec, View<T, 1> d_weight, View<T, 1> d_bias, In<T, 2> d_y, In<T, 2> x,
                             const T* mean, const T* rstd, std::size_t first_column, std::size_t groups) {
  const std::size_t D = d_weight.size(), width = x.shape(1);
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(D, columns_per_chunk(D), [&](std::size_t begin, std::size_t end, int) {
    const std::size_t at = first_column + begin;
    k.norm_parameters_backward_add(d_weight.data() + begin, d_bias ? d_bias.data() + begin : nullptr, d_y.data() + at,
                                   x.data() + at, mean, rstd, width, x.shape(0), groups, D, end - begin);
  });
}

void check_heads(const char* where, std::size_t width, std::size_t head_dim, std::size_t first_head,
                 std::size_t num_heads) {
  if (head_dim > 0 && num_heads > 0 && first_head + num_heads <= width / head_dim) return;
  require(false, where, ": heads ", first_head, " to ", first_head + num_heads, " of ", head_dim,
          " columns do not fit into rows of ", width);
}

}  // namespace

template <class T>
void layer_norm_forward(Exec& exec, View<T, 2> y, OptionalOut<T, 1> mean, OptionalOut<T, 1> rstd, In<T, 2> x,
                        In<T, 1> weight, In<T, 1> bias, double eps) {
  const std::size_t tokens = x.shape(0), D = x.shape(1);
  check_shape("layer_norm_forward", "y", y, x.shape());
  if (mean) check_shape("layer_norm_forward", "mean", mean, {tokens});
  if (rstd) check_shape("layer_norm_forward", "rstd", rstd, {tokens});
  check_shape("layer_norm_forward", "weight", weight, {D});
  check_shape("layer_norm_forward", "bias", bias, {D});
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(tokens, rows_per_chunk(D), [&](std::size_t begin, std::size_t end, int) {
    k.layer_norm_rows(y.row(begin), mean ? mean.data() + begin : nullptr, rstd ? rstd.data() + begin : nullptr,
                      x.row(begin), weight.data(), bias.data(), end - begin, D, static_cast<T>(eps));
  });
}

template <class T>
void layer_norm_backward(Exec& exec, View<T, 2> d_x, View<T, 1> d_weight, View<T, 1> d_bias, In<T, 2> d_y, In<T, 2> x,
                         In<T, 1> weight, In<T, 1> mean, In<T, 1> rstd) {
  const std::size_t tokens = x.shape(0), D = x.shape(1);
  check_shape("layer_norm_backward", "d_x", d_x, x.shape());
  check_shape("layer_norm_backward", "d_weight", d_weight, {D});
  check_shape("layer_norm_backward", "d_bias", d_bias, {D});
  check_shape("layer_norm_backward", "d_y", d_y, x.shape());
  check_shape("layer_norm_backward", "weight", weight, {D});
  check_shape("layer_norm_backward", "mean", mean, {tokens});
  check_shape("layer_norm_backward", "rstd", rstd, {tokens});
  parameters_backward_add<T>(exec, d_weight, d_bias, d_y, x, mean.data(), rstd.data(), 0, 1);
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(tokens, rows_per_chunk(D), [&](std::size_t begin, std::size_t end, int) {
    k.layer_norm_backward_rows(d_x.row(begin), d_y.row(begin), x.row(begin), weight.data(), mean.data() + begin,
                               rstd.data() + begin, end - begin, D);
  });
}

template <class T>
void rms_norm_forward(Exec& exec, View<T, 2> y, OptionalOut<T, 1> rstd, In<T, 2> x, In<T, 1> weight, double eps) {
  const std::size_t tokens = x.shape(0), D = x.shape(1);
  check_shape("rms_norm_forward", "y", y, x.shape());
  if (rstd) check_shape("rms_norm_forward", "rstd", rstd, {tokens});
  check_shape("rms_norm_forward", "weight", weight, {D});
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(tokens, rows_per_chunk(D), [&](std::size_t begin, std::size_t end, int) {
    k.rms_norm_rows(y.row(begin), rstd ? rstd.data() + begin : nullptr, x.row(begin), weight.data(), end - begin, D,
                    static_cast<T>(eps));
  });
}

template <class T>
void rms_norm_backward(Exec& exec, View<T, 2> d_x, View<T, 1> d_weight, In<T, 2> d_y, In<T, 2> x, In<T, 1> weight,
                       In<T, 1> rstd) {
  const std::size_t tokens = x.shape(0), D = x.shape(1);
  check_shape("rms_norm_backward", "d_x", d_x, x.shape());
  check_shape("rms_norm_backward", "d_weight", d_weight, {D});
  check_shape("rms_norm_backward", "d_y", d_y, x.shape());
  check_shape("rms_norm_backward", "weight", weight, {D});
  check_shape("rms_norm_backward", "rstd", rstd, {tokens});
  parameters_backward_add<T>(exec, d_weight, {}, d_y, x, nullptr, rstd.data(), 0, 1);
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(tokens, rows_per_chunk(D), [&](std::size_t begin, std::size_t end, int) {
    k.rms_norm_backward_rows(d_x.row(begin), d_y.row(begin), x.row(begin), weight.data(), rstd.data() + begin,
                             end - begin, D);
  });
}

template <class T>
void head_rms_norm_forward(Exec& exec, View<T, 2> y, OptionalOut<T, 2> rstd, In<T, 2> x, In<T, 1> weight,
                           std::size_t first_head, std::size_t num_heads, double eps) {
  const std::size_t tokens = x.shape(0), width = x.shape(1), head_dim = weight.size();
  check_shape("head_rms_norm_forward", "y", y, x.shape());
  if (rstd) check_shape("head_rms_norm_forward", "rstd", rstd, {tokens, num_heads});
  check_heads("head_rms_norm_forward", width, head_dim, first_head, num_heads);
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(tokens, rows_per_chunk(num_heads * head_dim), [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      k.rms_norm_rows(y.row(t) + first_head * head_dim, rstd ? rstd.row(t) : nullptr, x.row(t) + first_head * head_dim,
                      weight.data(), num_heads, head_dim, static_cast<T>(eps));
    }
  });
}

template <class T>
void head_rms_norm_backward(Exec& exec, View<T, 2> d_x, View<T, 1> d_weight, In<T, 2> d_y, In<T, 2> x, In<T, 1> weight,
                            In<T, 2> rstd, std::size_t first_head, std::size_t num_heads) {
  const std::size_t tokens = x.shape(0), width = x.shape(1), head_dim = weight.size();
  check_shape("head_rms_norm_backward", "d_x", d_x, x.shape());
  check_shape("head_rms_norm_backward", "d_weight", d_weight, {head_dim});
  check_shape("head_rms_norm_backward", "d_y", d_y, x.shape());
  check_shape("head_rms_norm_backward", "rstd", rstd, {tokens, num_heads});
  check_heads("head_rms_norm_backward", width, head_dim, first_head, num_heads);
  // Before d_x, which may overwrite d_y.
  parameters_backward_add<T>(exec, d_weight, {}, d_y, x, nullptr, rstd.data(), first_head * head_dim, num_heads);
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(tokens, rows_per_chunk(num_heads * head_dim), [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      const std::size_t at = first_head * head_dim;
      k.rms_norm_backward_rows(d_x.row(t) + at, d_y.row(t) + at, x.row(t) + at, weight.data(), rstd.row(t), num_heads,
                               head_dim);
    }
  });
}

#define MINIMOE_INSTANTIATE(T)                                                                                     \
  template void layer_norm_forward<T>(Exec&, View<T, 2>, OptionalOut<T, 1>, OptionalOut<T, 1>, In<T, 2>, In<T, 1>, \
                                      In<T, 1>, double);                                                           \
  template void layer_norm_backward<T>(Exec&, View<T, 2>, View<T, 1>, View<T, 1>, In<T, 2>, In<T, 2>, In<T, 1>,    \
                                       In<T, 1>, In<T, 1>);                                                        \
  template void rms_norm_forward<T>(Exec&, View<T, 2>, OptionalOut<T, 1>, In<T, 2>, In<T, 1>, double);             \
  template void rms_norm_backward<T>(Exec&, View<T, 2>, View<T, 1>, In<T, 2>, In<T, 2>, In<T, 1>, In<T, 1>);       \
  template void head_rms_norm_forward<T>(Exec&, View<T, 2>, OptionalOut<T, 2>, In<T, 2>, In<T, 1>, std::size_t,    \
                                         std::size_t, double);                                                     \
  template void head_rms_norm_backward<T>(Exec&, View<T, 2>, View<T, 1>, In<T, 2>, In<T, 2>, In<T, 1>, In<T, 2>,   \
                                          std::size_t, std::size_t);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)

}  // namespace minimoe
