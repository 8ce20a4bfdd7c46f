// SPDX-License-Identifier: Apache-2.0
// Which assignments keep their slot, and which row each of them gets: rows are grouped by expert, tokens ascending.
#pragma once

#include "minimoe/moe/moe_layer.hpp"

namespace minimoe {

/// kept_TK[t, k] = 1 for the assignments of valid tokens that fit into `capacity` slots an expert, else 0.
/// @param load_E assignments before any drop. @param dropped_E is set to the number cut from each expert.
/// @return the sum of dropped_E.
template <class T>
std::int64_t drop_over_capacity(MoECache<T>& cache, View<std::int64_t, 1> dropped_E, View<const std::int64_t, 1> load_E,
                                std::size_t capacity, DropPriority priority);

/// Counting sort of the kept slots by (expert, token): fills slot_row_TK, row_token_R and expert_begin.
template <class T>
void group_by_expert(MoECache<T>& cache);

}  // namespace minimoe
