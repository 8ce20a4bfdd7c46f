// SPDX-License-Identifier: Apache-2.0
// Token order to row order and back. Every sum runs over a token's slots in slot order and belongs to one token.
#pragma once

#include "minimoe/moe/moe_layer.hpp"

namespace minimoe {

/// rows_ND[n] = x_TD[token_N[n]]
template <class T>
void gather_rows(Exec& exec, View<T, 2> rows_ND, In<T, 2> x_TD, View<const std::int32_t, 1> token_N);

/// row_T1[token_N[n]] = n; -1 for the other tokens.
void number_rows(View<std::int32_t, 2> row_T1, View<const std::int32_t, 1> token_N);

/// y_TD[token_N[n]] += rows_ND[n]; no token comes twice.
template <class T>
void scatter_rows_add(Exec& exec, View<T, 2> y_TD, In<T, 2> rows_ND, View<const std::int32_t, 1> token_N);

/// y_TD[t] = sum_k weights_TK[t, k] * rows_RD[slot_row_TK[t, k]] over the slots that have a row; a token without one
/// gets 0. With `add` the sum is added to y_TD.
template <class T>
void combine_forward(Exec& exec, View<T, 2> y_TD, In<T, 2> rows_RD, In<T, 2> weights_TK,
                     View<const std::int32_t, 2> slot_row_TK, bool add);

/// d_weights[t, k] = d_y[t] . rows[row], 0 for a slot without a row; the row becomes its gradient,
/// weights[t, k] * d_y[t].
template <class T>
void combine_backward(Exec& exec, View<T, 2> rows_RD, View<T, 2> d_weights_TK, In<T, 2> d_y_TD, In<T, 2> weights_TK,
                      View<const std::int32_t, 2> slot_row_TK);

/// Row n becomes row token_N[n], for all n; the other rows become 0. token_N ascends.
template <class T>
void spread_rows(View<T, 2> x_TD, View<const std::int32_t, 1> token_N);

/// d_x_TD[t] += sum_k d_rows_RD[slot_row_TK[t, k]]: the way back through gather_rows of every kept slot.
template <class T>
void gather_slots_backward_add(Exec& exec, View<T, 2> d_x_TD, In<T, 2> d_rows_RD,
                               View<const std::int32_t, 2> slot_row_TK);

}  // namespace minimoe
