// SPDX-License-Identifier: Apache-2.0
#include "core/blas_backend.hpp"

#include <limits>
#include <xtensor-blas/xblas.hpp>

namespace minimoe {
namespace {

template <class T>
auto adapt(View<T, 2> x) {
  for (const std::size_t extent : x.shape()) {
    require(extent <= static_cast<std::size_t>(std::numeric_limits<xt::blas_index_t>::max()),
            "matmul: BLAS cannot index ", shape_string(x.shape()));
  }
  return xt::adapt<xt::layout_type::row_major>(x.data(), x.size(), xt::no_ownership(), x.shape());
}

}  // namespace

template <class T>
void blas_matmul(View<T, 2> c, In<T, 2> a, bool transpose_a, In<T, 2> b, bool transpose_b, bool accumulate) {
  auto result = adapt(c);
  xt::blas::gemm(adapt(a), adapt(b), result, transpose_a, transpose_b, T{1}, accumulate ? T{1} : T{0});
}

template void blas_matmul<float>(View<float, 2>, In<float, 2>, bool, In<float, 2>, bool, bool);
template void blas_matmul<double>(View<double, 2>, In<double, 2>, bool, In<double, 2>, bool, bool);

}  // namespace minimoe
