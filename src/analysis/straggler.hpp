// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "minimoe/analysis/capacity.hpp"

namespace minimoe {

/// Times the experts of every MoE layer on the first batch of `choice`, without drops.
template <class T>
std::vector<Straggler> find_stragglers(Exec& exec, const MiniGPT<T>& model, const TokenSource& source,
                                       const WindowChoice& choice, MemoryResource* resource);

}  // namespace minimoe
