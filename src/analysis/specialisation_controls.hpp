// SPDX-License-Identifier: Apache-2.0
// The association of experts and classes under worlds in which something is known to be absent.
#pragma once

#include "analysis/contingency.hpp"
#include "analysis/held_out_entropy.hpp"
#include "minimoe/analysis/specialisation.hpp"

namespace minimoe {

/// NMI of experts [T, K] and classes [T], every assignment counted.
double assignment_nmi(Contingency& scratch, std::span<const std::int32_t> experts, std::size_t top_k,
                      std::span<const std::uint8_t> classes);

/// All 0 without values.
ControlValues control_values(const std::vector<double>& values);

/// Each gives the NMI of every draw. @throws Error(kCancelled) between draws.
std::vector<double> shuffled_label_nmi(const RoutedTokens& tokens, const SpecialisationOptions& options,
                                       const CancelFlag* cancel);
std::vector<double> random_table_nmi(const RoutedTokens& tokens, const Grouping& words,
                                     const SpecialisationOptions& options, const CancelFlag* cancel);
std::vector<double> random_router_nmi(const RoutedTokens& tokens);
std::vector<double> within_word_nmi(const RoutedTokens& tokens, const Grouping& words,
                                    const SpecialisationOptions& options, const CancelFlag* cancel);

struct Interval {
  double low = 0, high = 0;
};
/// 95 % of resamples of whole windows, moved so that their mean is `value`.
Interval bootstrap_interval(const RoutedTokens& tokens, double value, const SpecialisationOptions& options,
                            const CancelFlag* cancel);

}  // namespace minimoe
