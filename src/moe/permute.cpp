// SPDX-License-Identifier: Apache-2.0
#include "moe/permute.hpp"

#include <algorithm>

namespace minimoe {
namespace {

constexpr std::size_t kRowChunk = 64;
constexpr std::size_t kLanes = 16;

/// Sum over fixed lanes: vectorises without reassociating, so the bits are those of any compiler's vector width.
template <class T>
T dot(const T* a, const T* b, std::size_t size) {
  T lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) lanes[j] += a[i + j] * b[i + j];
  }
  for (std::size_t j = 0; i + j < size; ++j) lanes[j] += a[i + j] * b[i + j];
  for (std::size_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::size_t j = 0; j < width; ++j) lanes[j] += lanes[j + width];
  }
  return lanes[0];
}

}  // namespace

template <class T>
void gather_rows(Exec& exec, View<T, 2> rows_ND, In<T, 2> x_TD, View<const std::int32_t, 1> token_N) {
  const std::size_t width = x_TD.shape(1);
  exec.parallel_for(token_N.size(), kRowChunk, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t n = begin; n < end; ++n) std::copy_n(x_TD.row(token_N.data()[n]), width, rows_ND.row(n));
  });
}

void number_rows(View<std::int32_t, 2> row_T1, View<const std::int32_t, 1> token_N) {
  std::fill_n(row_T1.data(), row_T1.size(), -1);
  for (std::size_t n = 0; n < token_N.size(); ++n) row_T1.row(token_N.data()[n])[0] = static_cast<std::int32_t>(n);
}

template <class T>
void scatter_rows_add(Exec& exec, View<T, 2> y_TD, In<T, 2> rows_ND, View<const std::int32_t, 1> token_N) {
  const std::size_t width = y_TD.shape(1);
  exec.parallel_for(token_N.size(), kRowChunk, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t n = begin; n < end; ++n) {
      T* __restrict y = y_TD.row(token_N.data()[n]);
      const T* __restrict row = rows_ND.row(n);
      for (std::size_t d = 0; d < width; ++d) y[d] += row[d];
    }
  });
}

template <class T>
void combine_forward(Exec& exec, View<T, 2> y_TD, In<T, 2> rows_RD, In<T, 2> weights_TK,
                     View<const std::int32_t, 2> slot_row_TK, bool add) {
  const std::size_t width = y_TD.shape(1), top_k = slot_row_TK.shape(1);
  exec.parallel_for(y_TD.shape(0), kRowChunk, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      T* __restrict y = y_TD.row(t);
      bool started = add;
      for (std::size_t k = 0; k < top_k; ++k) {
        const std::int32_t at = slot_row_TK.row(t)[k];
        if (at < 0) continue;
        const T weight = weights_TK.row(t)[k];
        const T* __restrict row = rows_RD.row(at);
        if (started) {
          for (std::size_t d = 0; d < width; ++d) y[d] += weight * row[d];
        } else {
          for (std::size_t d = 0; d < width; ++d) y[d] = weight * row[d];
        }
        started = true;
      }
      if (!started) std::fill_n(y, width, T(0));
    }
  });
}

template <class T>
void combine_backward(Exec& exec, View<T, 2> rows_RD, View<T, 2> d_weights_TK, In<T, 2> d_y_TD, In<T, 2> weights_TK,
                      View<const std::int32_t, 2> slot_row_TK) {
  const std::size_t width = d_y_TD.shape(1), top_k = slot_row_TK.shape(1);
  exec.parallel_for(d_y_TD.shape(0), kRowChunk, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      const T* __restrict d_y = d_y_TD.row(t);
      for (std::size_t k = 0; k < top_k; ++k) {
        const std::int32_t at = slot_row_TK.row(t)[k];
        d_weights_TK.row(t)[k] = at < 0 ? T(0) : dot(d_y, rows_RD.row(at), width);
        if (at < 0) continue;
        const T weight = weights_TK.row(t)[k];
        T* d_row = rows_RD.row(at);
        for (std::size_t d = 0; d < width; ++d) d_row[d] = weight * d_y[d];
      }
    }
  });
}

template <class T>
void spread_rows(View<T, 2> x_TD, View<const std::int32_t, 1> token_N) {
  const std::size_t width = x_TD.shape(1);
  std::size_t n = token_N.size();
  for (std::size_t t = x_TD.shape(0); t-- > 0;) {
    if (n == 0 || token_N(n - 1) != static_cast<std::int32_t>(t)) {
      std::fill_n(x_TD.row(t), width, T(0));
    } else if (--n != t) {
      std::copy_n(x_TD.row(n), width, x_TD.row(t));
    }
  }
}

template <class T>
void gather_slots_backward_add(Exec& exec, View<T, 2> d_x_TD, In<T, 2> d_rows_RD,
                               View<const std::int32_t, 2> slot_row_TK) {
  const std::size_t width = d_x_TD.shape(1), top_k = slot_row_TK.shape(1);
  exec.parallel_for(d_x_TD.shape(0), kRowChunk, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      T* __restrict d_x = d_x_TD.row(t);
      for (std::size_t k = 0; k < top_k; ++k) {
        const std::int32_t at = slot_row_TK.row(t)[k];
        if (at < 0) continue;
        const T* __restrict d_row = d_rows_RD.row(at);
        for (std::size_t d = 0; d < width; ++d) d_x[d] += d_row[d];
      }
    }
  });
}

#define MINIMOE_INSTANTIATE(T)                                                                                    \
  template void gather_rows(Exec&, View<T, 2>, In<T, 2>, View<const std::int32_t, 1>);                            \
  template void scatter_rows_add(Exec&, View<T, 2>, In<T, 2>, View<const std::int32_t, 1>);                       \
  template void combine_forward(Exec&, View<T, 2>, In<T, 2>, In<T, 2>, View<const std::int32_t, 2>, bool);        \
  template void combine_backward(Exec&, View<T, 2>, View<T, 2>, In<T, 2>, In<T, 2>, View<const std::int32_t, 2>); \
  template void spread_rows(View<T, 2>, View<const std::int32_t, 1>);                                             \
  template void gather_slots_backward_add(Exec&, View<T, 2>, In<T, 2>, View<const std::int32_t, 2>);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
