// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/cached_attention.hpp"

#include <algorithm>
#include <cmath>

#include "core/simd/kernels.hpp"
#include "ops/key_block.hpp"

namespace minimoe {
namespace {

// Products read whole vectors of values, the last of which may reach behind the last row.
constexpr std::size_t kReadPastEnd = 2 * kAlignment;

std::size_t score_stride(std::size_t capacity) { return (capacity + 31) / 16 * 16; }

}  // namespace

template <class T>
void KeyValues<T>::plan(Arena& arena, std::size_t num_kv_heads, std::size_t capacity, std::size_t head_dim) {
  keys_GSd = arena.take<T, 3>({num_kv_heads, capacity, head_dim});
  values_GSd = arena.take<T, 3>({num_kv_heads, capacity, head_dim});
  arena.take<std::byte, 1>({kReadPastEnd});
}

std::size_t cached_attention_scratch_size(const AttentionShape& shape, std::size_t capacity) {
  return shape.num_heads / shape.num_kv_heads * (score_stride(capacity) + 2);
}

template <class T>
void store_keys_and_values(const KeyValues<T>& past, In<T, 2> qkv, const AttentionShape& shape, std::size_t first) {
  const std::size_t n = shape.seq_len, d = shape.head_dim, G = shape.num_kv_heads;
  check_shape("store_keys_and_values", "qkv", qkv, {n, shape.qkv_width()});
  check_shape("store_keys_and_values", "keys", past.keys_GSd, {G, past.keys_GSd.shape(1), d});
  check_shape("store_keys_and_values", "values", past.values_GSd, {G, past.keys_GSd.shape(1), d});
  require(first + n <= past.keys_GSd.shape(1), "store_keys_and_values: tokens ", first, " to ", first + n,
          ", but the cache holds ", past.keys_GSd.shape(1));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t g = 0; g < G; ++g) {
      const T* key = qkv.row(i) + (shape.num_heads + g) * d;
      std::copy_n(key, d, past.keys_GSd.row(g, first + i));
      std::copy_n(key + G * d, d, past.values_GSd.row(g, first + i));
    }
  }
}

template <class T>
void cached_attention_forward(Exec& exec, View<T, 2> y, In<T, 2> qkv, const KeyValues<T>& past,
                              const AttentionShape& shape, std::size_t first, View<T, 2> scratch) {
  const char* where = "cached_attention_forward";
  const std::size_t n = shape.seq_len, d = shape.head_dim, G = shape.num_kv_heads, group = shape.num_heads / G;
  const std::size_t capacity = past.keys_GSd.shape(1), stride = score_stride(capacity);
  check_shape(where, "y", y, {n, shape.width()});
  check_shape(where, "qkv", qkv, {n, shape.qkv_width()});
  check_shape(where, "keys", past.keys_GSd, {G, capacity, d});
  check_shape(where, "values", past.values_GSd, {G, capacity, d});
  require(first + n <= capacity, where, ": tokens ", first, " to ", first + n, ", but the cache holds ", capacity);
  if (scratch.shape(0) < static_cast<std::size_t>(exec.num_threads()) ||
      scratch.shape(1) < cached_attention_scratch_size(shape, capacity)) {
    require(false, where, ": scratch is ", shape_string(scratch.shape()), ", expected at least [", exec.num_threads(),
            ", ", cached_attention_scratch_size(shape, capacity), "]");
  }
  const Kernels<T>& k = exec.kernels<T>();
  const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(d)));
  constexpr std::size_t kWorkPerChunk = 16384;
  const std::size_t chunk = std::max<std::size_t>(1, kWorkPerChunk / ((first + n) * n * d * group));
  exec.parallel_for(G, chunk, [&](std::size_t begin, std::size_t end, int worker) {
    T *const scores = scratch.row(worker), *const max = scores + group * stride, *const sum = max + group;
    for (std::size_t g = begin; g < end; ++g) {
      const T *keys = past.keys_GSd.row(g), *values = past.values_GSd.row(g);
      for (std::size_t i = 0; i < n; ++i) {
        const std::size_t count = first + i + 1;
        T* const y_g = y.row(i) + g * group * d;
        for (std::size_t h = 0; h < group; ++h) {
          T* const row = scores + h * stride;
          k.gemm.gemv(row, qkv.row(i) + (g * group + h) * d, keys, d, count, d, nullptr);
          k.causal_softmax_tile(row, stride, 1, count, count, scale, max + h, sum + h);
        }
        for (std::size_t s = 0; s < count; s += kKeyBlock) {
          k.gemm.gemm_unpacked(y_g, d, scores + s, stride, 1, values + s * d, d, group, d,
                               std::min(kKeyBlock, count - s), s > 0 ? Addend<T>{y_g, d} : Addend<T>{});
        }
        k.divide_rows(y_g, d, group, d, sum);
      }
    }
  });
}

#define MINIMOE_INSTANTIATE(T)                                                                                       \
  template struct KeyValues<T>;                                                                                      \
  template void store_keys_and_values<T>(const KeyValues<T>&, In<T, 2>, const AttentionShape&, std::size_t);         \
  template void cached_attention_forward<T>(Exec&, View<T, 2>, In<T, 2>, const KeyValues<T>&, const AttentionShape&, \
                                            std::size_t, View<T, 2>);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)

}  // namespace minimoe
