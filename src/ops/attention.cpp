// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/attention.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "ops/chunks.hpp"
#include "ops/key_block.hpp"

namespace minimoe {
namespace {

constexpr std::size_t kQueryTile = 32;
// Bounds for every instruction set, so that the scratch size is a function of the shape alone.
constexpr std::size_t kMaxPadding = 32;
static_assert(kMaxPadding % kKeyBlock == 0);

std::size_t round_up(std::size_t n, std::size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// The buffers of one worker.
struct Layout {
  std::size_t keys_T, values_T, keys, queries, score_stride, scores, d_scores, rows, total;

  explicit Layout(const AttentionShape& shape) {
    const std::size_t S = round_up(shape.seq_len, kMaxPadding), d = round_up(shape.head_dim, kMaxPadding);
    std::size_t at = 0;
    const auto take = [&at](std::size_t size) { return std::exchange(at, at + round_up(size, kMaxPadding)); };
    score_stride = S + 16;  // not a power of two: rows of a tile fall into different cache sets
    keys_T = take(S * d);
    values_T = take(S * d);
    keys = take(S * d);
    queries = take(kQueryTile * d);
    scores = take(kQueryTile * score_stride);
    d_scores = take(kQueryTile * score_stride);
    rows = take(3 * kQueryTile);
    total = at + kMaxPadding;  // to align the start
  }
};

void check_attention(const char* where, const AttentionShape& shape) {
  if (shape.seq_len > 0 && shape.num_kv_heads > 0 && shape.head_dim > 0 && shape.num_heads > 0 &&
      shape.num_heads % shape.num_kv_heads == 0) {
    return;
  }
  require(false, where, ": batch_size ", shape.batch_size, ", seq_len ", shape.seq_len, ", num_heads ", shape.num_heads,
          ", num_kv_heads ", shape.num_kv_heads, ", head_dim ", shape.head_dim,
          "; expected positive sizes and num_heads a multiple of num_kv_heads");
}

template <class T>
void check_scratch(const char* where, View<T, 2> scratch, int num_threads, const AttentionShape& shape) {
  const std::size_t need = attention_scratch_size(shape), workers = static_cast<std::size_t>(num_threads);
  if (scratch.shape(0) >= workers && scratch.shape(1) >= need) return;
  require(false, where, ": scratch is ", shape_string(scratch.shape()), ", expected at least [", workers, ", ", need,
          "]");
}

/// What the products of one (sequence, key/value head) share: pointers, strides and the packed keys and values.
template <class T>
class HeadGroup {
 public:
  HeadGroup(const Kernels<T>& kernels, const AttentionShape& shape, In<T, 2> qkv, std::size_t index, T* scratch)
      : shape_(shape),
        layout_(shape),
        k_(kernels),
        stride_(shape.qkv_width()),
        group_(shape.num_heads / shape.num_kv_heads),
        kv_head_(index % shape.num_kv_heads),
        first_token_(index / shape.num_kv_heads * shape.seq_len),
        scale_(static_cast<T>(1 / std::sqrt(static_cast<double>(shape.head_dim)))) {
    void* aligned = scratch;
    std::size_t space = (kMaxPadding + 1) * sizeof(T);
    scratch_ = static_cast<T*>(std::align(kAlignment, sizeof(T), aligned, space));
    qkv_ = qkv.row(first_token_);
  }

  void forward(View<T, 2> y, OptionalOut<T, 2> lse) {
    const std::size_t S = shape_.seq_len, d = shape_.head_dim, H = shape_.num_heads;
    pack_transposed(at(layout_.keys_T), key_column());
    pack_blocks(at(layout_.keys), value_column());
    T* scores = at(layout_.scores);
    T *max = at(layout_.rows), *sum = max + kQueryTile;
    for (std::size_t h = kv_head_ * group_; h < (kv_head_ + 1) * group_; ++h) {
      T* y_h = y.row(first_token_) + h * d;
      for (std::size_t q = 0; q < S; q += kQueryTile) {
        const std::size_t rows = std::min(kQueryTile, S - q);
        multiply_transposed(scores, qkv_ + q * stride_ + h * d, stride_, at(layout_.keys_T), q, rows);
        k_.causal_softmax_tile(scores, layout_.score_stride, rows, q + 1, summed_keys(q + rows), scale_, max, sum);
        multiply_blocks(y_h + q * H * d, H * d, scores, at(layout_.keys), q, rows);
        k_.divide_rows(y_h + q * H * d, H * d, rows, d, sum);
        for (std::size_t i = 0; lse && i < rows; ++i) lse(first_token_ + q + i, h) = max[i] + std::log(sum[i]);
      }
    }
  }

  void backward(View<T, 2> d_qkv, In<T, 2> d_y, In<T, 2> y, In<T, 2> lse) {
    const std::size_t S = shape_.seq_len, d = shape_.head_dim, H = shape_.num_heads;
    pack_transposed(at(layout_.keys_T), key_column());
    pack_transposed(at(layout_.values_T), value_column());
    pack_blocks(at(layout_.keys), key_column());
    T *scores = at(layout_.scores), *d_scores = at(layout_.d_scores), *packed = at(layout_.queries);
    T *delta = at(layout_.rows), *lse_rows = delta + kQueryTile;
    T* d_start = d_qkv.row(first_token_);
    for (std::size_t s = 0; s < S; ++s) {
      std::fill_n(d_start + s * stride_ + key_column(), d, T{0});
      std::fill_n(d_start + s * stride_ + value_column(), d, T{0});
    }
    // Query heads, then tiles of queries, ascending: the order of the sums into d_k and d_v.
    for (std::size_t h = kv_head_ * group_; h < (kv_head_ + 1) * group_; ++h) {
      for (std::size_t q = 0; q < S; q += kQueryTile) {
        const std::size_t rows = std::min(kQueryTile, S - q), keys = q + rows, ld = layout_.score_stride;
        const T* query = qkv_ + q * stride_ + h * d;
        const T* d_out = d_y.row(first_token_ + q) + h * d;
        k_.row_dots(delta, d_out, y.row(first_token_ + q) + h * d, H * d, rows, d);
        for (std::size_t i = 0; i < rows; ++i) lse_rows[i] = lse(first_token_ + q + i, h);
        multiply_transposed(scores, query, stride_, at(layout_.keys_T), q, rows);
        multiply_transposed(d_scores, d_out, H * d, at(layout_.values_T), q, rows);
        k_.causal_softmax_backward_tile(scores, d_scores, ld, rows, q + 1, summed_keys(keys), scale_, lse_rows, delta);
        multiply_blocks(d_start + q * stride_ + h * d, stride_, d_scores, at(layout_.keys), q, rows);
        k_.gemm.pack_b(packed, d_out, H * d, 1, rows, d);
        k_.gemm.gemm(d_start + value_column(), stride_, scores, 1, ld, packed, keys, d, rows,
                     {d_start + value_column(), stride_});
        k_.gemm.pack_b(packed, query, stride_, 1, rows, d);
        k_.gemm.gemm(d_start + key_column(), stride_, d_scores, 1, ld, packed, keys, d, rows,
                     {d_start + key_column(), stride_});
      }
    }
  }

 private:
  T* at(std::size_t offset) const { return scratch_ + offset; }
  std::size_t key_column() const { return (shape_.num_heads + kv_head_) * shape_.head_dim; }
  std::size_t value_column() const { return (shape_.num_heads + shape_.num_kv_heads + kv_head_) * shape_.head_dim; }
  /// Keys that multiply_blocks sums over for queries before `end`.
  std::size_t summed_keys(std::size_t end) const { return std::min(shape_.seq_len, round_up(end, kKeyBlock)); }

  /// [head_dim, S]
  void pack_transposed(T* dst, std::size_t column) {
    k_.gemm.pack_b(dst, qkv_ + column, 1, stride_, shape_.head_dim, shape_.seq_len);
  }
  /// [S, head_dim], in blocks of kKeyBlock rows of their own.
  void pack_blocks(T* dst, std::size_t column) {
    const std::size_t d = shape_.head_dim, S = shape_.seq_len, block = k_.gemm.packed_b_size(kKeyBlock, d);
    for (std::size_t s = 0; s < S; s += kKeyBlock, dst += block) {
      k_.gemm.pack_b(dst, qkv_ + s * stride_ + column, stride_, 1, std::min(kKeyBlock, S - s), d);
    }
  }
  /// tile [rows, keys up to the last row's] = a [rows, head_dim] times a packed transposed operand
  void multiply_transposed(T* tile, const T* a, std::size_t stride, const T* packed, std::size_t q, std::size_t rows) {
    // Whole panels, so that the packed operand of all keys serves as one of fewer.
    const std::size_t keys = std::min(shape_.seq_len, round_up(q + rows, k_.gemm.columns));
    k_.gemm.gemm(tile, layout_.score_stride, a, stride, 1, packed, rows, keys, shape_.head_dim, {});
  }
  /// c [rows, head_dim] = tile [rows, keys] times what pack_blocks packed
  void multiply_blocks(T* c, std::size_t ldc, const T* tile, const T* packed, std::size_t q, std::size_t rows) {
    const std::size_t d = shape_.head_dim, S = shape_.seq_len, block = k_.gemm.packed_b_size(kKeyBlock, d);
    for (std::size_t s = 0; s < q + rows; s += kKeyBlock, packed += block) {
      k_.gemm.gemm(c, ldc, tile + s, layout_.score_stride, 1, packed, rows, d, std::min(kKeyBlock, S - s),
                   s > 0 ? Addend<T>{c, ldc} : Addend<T>{});
    }
  }

  const AttentionShape& shape_;
  const Layout layout_;
  const Kernels<T>& k_;
  const std::size_t stride_, group_, kv_head_, first_token_;
  const T scale_;
  T* scratch_;
  const T* qkv_;
};

}  // namespace

std::size_t attention_scratch_size(const AttentionShape& shape) { return Layout(shape).total; }

template <class T>
void causal_attention_forward(Exec& exec, View<T, 2> y, OptionalOut<T, 2> lse, In<T, 2> qkv,
                              const AttentionShape& shape, View<T, 2> scratch) {
  const char* where = "causal_attention_forward";
  const std::size_t tokens = shape.num_tokens();
  check_attention(where, shape);
  check_shape(where, "y", y, {tokens, shape.width()});
  if (lse) check_shape(where, "lse", lse, {tokens, shape.num_heads});
  check_shape(where, "qkv", qkv, {tokens, shape.qkv_width()});
  check_scratch(where, scratch, exec.num_threads(), shape);
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(shape.batch_size * shape.num_kv_heads, 1, [&](std::size_t begin, std::size_t end, int worker) {
    for (std::size_t i = begin; i < end; ++i) HeadGroup<T>(k, shape, qkv, i, scratch.row(worker)).forward(y, lse);
  });
}

template <class T>
void causal_attention_backward(Exec& exec, View<T, 2> d_qkv, In<T, 2> d_y, In<T, 2> y, In<T, 2> lse, In<T, 2> qkv,
                               const AttentionShape& shape, View<T, 2> scratch) {
  const char* where = "causal_attention_backward";
  const std::size_t tokens = shape.num_tokens();
  check_attention(where, shape);
  check_shape(where, "d_qkv", d_qkv, {tokens, shape.qkv_width()});
  check_shape(where, "d_y", d_y, {tokens, shape.width()});
  check_shape(where, "y", y, {tokens, shape.width()});
  check_shape(where, "lse", lse, {tokens, shape.num_heads});
  check_shape(where, "qkv", qkv, {tokens, shape.qkv_width()});
  check_scratch(where, scratch, exec.num_threads(), shape);
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(shape.batch_size * shape.num_kv_heads, 1, [&](std::size_t begin, std::size_t end, int worker) {
    for (std::size_t i = begin; i < end; ++i) {
      HeadGroup<T>(k, shape, qkv, i, scratch.row(worker)).backward(d_qkv, d_y, y, lse);
    }
  });
}

#define MINIMOE_INSTANTIATE(T)                                                                                     \
  template void causal_attention_forward<T>(Exec&, View<T, 2>, OptionalOut<T, 2>, In<T, 2>, const AttentionShape&, \
                                            View<T, 2>);                                                           \
  template void causal_attention_backward<T>(Exec&, View<T, 2>, In<T, 2>, In<T, 2>, In<T, 2>, In<T, 2>,            \
                                             const AttentionShape&, View<T, 2>);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)

}  // namespace minimoe
