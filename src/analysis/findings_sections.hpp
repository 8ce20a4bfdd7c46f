// SPDX-License-Identifier: Apache-2.0
// The six questions, each answered by a paragraph.
#pragma once

#include <string>

#include "analysis/comparison_facts.hpp"

namespace minimoe {

std::string perplexity_findings(const ComparisonFacts& facts);
std::string parameter_findings(const ComparisonFacts& facts);
std::string balance_findings(const ComparisonFacts& facts);
std::string specialisation_findings(const ComparisonFacts& facts);
std::string time_findings(const ComparisonFacts& facts);
std::string adoption_findings(const ComparisonFacts& facts);

/// "-0.0270 (-0.0312 to -0.0228)"; the mean alone for one seed.
std::string difference_text(const Spread& difference);
/// Text of another report, on one line and cut, after a clause where there is one, so that the whole stays within its
/// number of words.
std::string shortened(const std::string& text, std::size_t max_words);
inline constexpr std::size_t kMaxQuotedWords = 20;
/// "1 seed", "3 seeds".
std::string seeds_text(std::size_t count);

/// Nothing but routing tells the baseline from the MoE model: as many steps, the same learning rate, at least its d_ff.
bool baseline_is_equal(const ComparisonFacts& facts);

/// A gain above this is more often a weak baseline than a good router.
inline constexpr double kSuspiciousGain = 0.10;

}  // namespace minimoe
