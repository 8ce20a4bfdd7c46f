// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/embedding.hpp"

#include "support/catch.hpp"
#include "support/gradient_check.hpp"

using namespace minimoe;
using namespace minimoe::test;

namespace {

template <std::size_t N>
View<const std::int32_t, 1> view(const std::int32_t (&ids)[N]) {
  return View<const std::int32_t, 1>(ids, {N});
}

}  // namespace

TEST_CASE("embedding: token and position rows are added, gradients go back to the rows they came from",
          "[ops][embedding]") {
  Exec exec;
  const std::int32_t ids[] = {2, 0, 2, 2};  // two sequences of two
  Tensor<float, 2> table = make_tensor<float, 2>({3, 1}), positions = make_tensor<float, 2>({3, 1}),
                   x = make_tensor<float, 2>({4, 1});
  table(0, 0) = 1, table(1, 0) = 2, table(2, 0) = 4;
  positions(0, 0) = 10, positions(1, 0) = 20, positions(2, 0) = 1000;
  token_embedding_forward<float>(exec, x, view(ids), table);
  position_embedding_forward_add<float>(exec, x, positions, 2);
  CHECK(x(0, 0) == 14);
  CHECK(x(1, 0) == 21);
  CHECK(x(2, 0) == 14);
  CHECK(x(3, 0) == 24);

  Tensor<float, 2> d_x = make_tensor<float, 2>({4, 1}), d_table = make_tensor<float, 2>({3, 1}), d_positions = d_table;
  d_x(0, 0) = 1, d_x(1, 0) = 2, d_x(2, 0) = 4, d_x(3, 0) = 8;
  d_table(2, 0) = 100;
  token_embedding_backward<float>(exec, d_table, d_x, view(ids));
  position_embedding_backward<float>(exec, d_positions, d_x, 2);
  CHECK(d_table(0, 0) == 2);
  CHECK(d_table(1, 0) == 0);
  CHECK(d_table(2, 0) == 113);
  CHECK(d_positions(0, 0) == 5);
  CHECK(d_positions(1, 0) == 10);
  CHECK(d_positions(2, 0) == 0);
}

TEST_CASE("embedding: gradients equal central differences", "[ops][embedding][gradient]") {
  Exec exec;
  const std::int32_t ids[] = {0, 2, 2, 1, 0, 2};
  Tensor<double, 2> table = random_tensor<double, 2>({4, 5}, "table"),
                    positions = random_tensor<double, 2>({3, 5}, "positions");
  Tensor<double, 2> x = make_tensor<double, 2>({6, 5}), d_table = make_tensor<double, 2>({4, 5}),
                    d_positions = make_tensor<double, 2>({3, 5});
  const Tensor<double, 2> d_x = random_tensor<double, 2>({6, 5}, "d_x");
  token_embedding_backward<double>(exec, d_table, d_x, view(ids));
  position_embedding_backward<double>(exec, d_positions, d_x, 3);
  const auto loss = [&] {
    token_embedding_forward<double>(exec, x, view(ids), table);
    position_embedding_forward_add<double>(exec, x, positions, 3);
    return weighted_sum(x, d_x);
  };
  CHECK_GRADIENT(table, d_table, loss);
  CHECK_GRADIENT(positions, d_positions, loss);
}

TEST_CASE("embedding: ids out of range and bad shapes are refused before anything is written", "[ops][embedding]") {
  Exec exec;
  const std::int32_t ids[] = {0, 3}, negative[] = {-1, 0}, fine[] = {0, 1};
  Tensor<float, 2> table = make_tensor<float, 2>({3, 2}), x = make_tensor<float, 2>({2, 2}),
                   bad = make_tensor<float, 2>({2, 1});
  x(0, 0) = 7, table(0, 0) = 1;
  CHECK_THROWS_WITH(token_embedding_forward<float>(exec, x, view(ids), table),
                    "token_embedding_forward: tokens[1] is 3, expected 0 <= id < 3 (vocab_size)");
  CHECK(x(0, 0) == 7);
  CHECK_THROWS_WITH(token_embedding_backward<float>(exec, table, x, view(negative)),
                    "token_embedding_backward: tokens[0] is -1, expected 0 <= id < 3 (vocab_size)");
  CHECK(table(0, 0) == 1);
  CHECK_THROWS_WITH(token_embedding_forward<float>(exec, bad, view(fine), table),
                    "token_embedding_forward: x is [2, 1], expected [2, 2]");
  CHECK_THROWS_WITH(position_embedding_forward_add<float>(exec, x, bad, 2),
                    "position_embedding_forward_add: weight is [2, 1], expected [2, 2]");
  CHECK_THROWS_WITH(
      position_embedding_forward_add<float>(exec, table, x, 3),
      "position_embedding_forward_add: seq_len 3 does not fit x [3, 2] and weight [2, 2] ([max_seq_len, D])");
  CHECK_THROWS_WITH(
      position_embedding_backward<float>(exec, x, table, 2),
      "position_embedding_backward: seq_len 2 does not fit x [3, 2] and d_weight [2, 2] ([max_seq_len, D])");
}
