// SPDX-License-Identifier: Apache-2.0
// How well a choice can be foretold, measured on tokens that the foretelling has not seen.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace minimoe {

/// Tokens with the K experts that each chose.
struct Choices {
  std::span<const std::int32_t> experts;  ///< [T, K]
  std::size_t num_experts = 0, top_k = 0;
};

/// Ids 0..count-1 of what tokens have in common.
struct Grouping {
  std::vector<std::uint32_t> ids;  ///< [T]
  std::size_t count = 0;
};

/// Tokens of equal key share a group; groups are numbered by ascending key.
Grouping group_by(std::span<const std::uint64_t> keys);

/// Cross entropies of a token's expert (a draw among its K), in nats, each part of the tokens foretold from the other
/// parts: by the shares of all, of the token's coarse group, and of its fine group (which divides the coarse ones).
/// Each level is smoothed towards the one above with the weight, from a fixed list, under which the tokens at hand,
/// each left out in turn, are likeliest.
struct HeldOutEntropy {
  double all = 0, coarse = 0, fine = 0;
};
/// @param parts [T] part of each token, below num_parts; every part is foretold from the rest.
HeldOutEntropy held_out_entropy(const Choices& choices, std::span<const std::uint32_t> parts, std::size_t num_parts,
                                const Grouping& coarse, const Grouping& fine);

}  // namespace minimoe
