// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/embedding.hpp"

#include <algorithm>

#include "ops/chunks.hpp"

namespace minimoe {
namespace {

void check_tokens(const char* where, View<const std::int32_t, 1> tokens, std::size_t V) {
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const std::int32_t id = tokens.data()[t];
    if (id >= 0 && static_cast<std::size_t>(id) < V) continue;
    require(false, where, ": tokens[", t, "] is ", id, ", expected 0 <= id < ", V, " (vocab_size)");
  }
}

template <class A, class B>
void check_positions(const char* where, const char* what, const A& x, const B& weight, std::size_t seq_len) {
  const std::size_t D = x.shape(1);
  check_shape(where, what, weight, {weight.shape(0), D});
  if (seq_len > 0 && seq_len <= weight.shape(0) && x.shape(0) % seq_len == 0) return;
  require(false, where, ": seq_len ", seq_len, " does not fit x ", shape_string(x.shape()), " and ", what, " ",
          shape_string(weight.shape()), " ([max_seq_len, D])");
}

}  // namespace

template <class T>
void token_embedding_forward(Exec& exec, View<T, 2> x, View<const std::int32_t, 1> tokens, In<T, 2> weight) {
  const std::size_t D = weight.shape(1);
  check_shape("token_embedding_forward", "x", x, {tokens.size(), D});
  check_tokens("token_embedding_forward", tokens, weight.shape(0));
  exec.parallel_for(tokens.size(), rows_per_chunk(D), [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) std::copy_n(weight.row(tokens.data()[t]), D, x.row(t));
  });
}

template <class T>
void token_embedding_backward(Exec& exec, View<T, 2> d_weight, In<T, 2> d_x, View<const std::int32_t, 1> tokens) {
  const std::size_t D = d_weight.shape(1);
  check_shape("token_embedding_backward", "d_x", d_x, {tokens.size(), D});
  check_tokens("token_embedding_backward", tokens, d_weight.shape(0));
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(D, columns_per_chunk(D), [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      k.add_into(d_weight.row(tokens.data()[t]) + begin, d_x.row(t) + begin, end - begin);
    }
  });
}

template <class T>
void position_embedding_forward_add(Exec& exec, View<T, 2> x, In<T, 2> weight, std::size_t seq_len) {
  check_positions("position_embedding_forward_add", "weight", x, weight, seq_len);
  const std::size_t D = x.shape(1);
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(x.shape(0), rows_per_chunk(D), [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) k.add_into(x.row(t), weight.row(t % seq_len), D);
  });
}

template <class T>
void position_embedding_backward(Exec& exec, View<T, 2> d_weight, In<T, 2> d_x, std::size_t seq_len) {
  check_positions("position_embedding_backward", "d_weight", d_x, d_weight, seq_len);
  const std::size_t D = d_x.shape(1), tokens = d_x.shape(0);
  const Kernels<T>& k = exec.kernels<T>();
  const std::size_t B = tokens / seq_len;
  exec.parallel_for(seq_len, rows_per_chunk(D * std::max<std::size_t>(1, B)),
                    [&](std::size_t begin, std::size_t end, int) {
                      for (std::size_t t = begin; t < tokens; t += seq_len) {
                        k.add_into(d_weight.row(begin), d_x.row(t), (end - begin) * D);
                      }
                    });
}

#define MINIMOE_INSTANTIATE(T)                                                                         \
  template void token_embedding_forward<T>(Exec&, View<T, 2>, View<const std::int32_t, 1>, In<T, 2>);  \
  template void token_embedding_backward<T>(Exec&, View<T, 2>, In<T, 2>, View<const std::int32_t, 1>); \
  template void position_embedding_forward_add<T>(Exec&, View<T, 2>, In<T, 2>, std::size_t);           \
  template void position_embedding_backward<T>(Exec&, View<T, 2>, In<T, 2>, std::size_t);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)

}  // namespace minimoe
