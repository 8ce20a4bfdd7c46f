// SPDX-License-Identifier: Apache-2.0
// A specialisation report layer by layer, for those who have the layers' inputs one at a time.
#pragma once

#include <span>

#include "analysis/frequency_buckets.hpp"
#include "minimoe/analysis/specialisation.hpp"

namespace minimoe {

class SpecialisationBuilder {
 public:
  /// @param trace its tokens, classes and windows; the layers are not looked at. Outlives the builder.
  SpecialisationBuilder(const TokenSource& source, const WindowChoice& choice, const SpecialisationOptions& options,
                        const RoutingTrace& trace);

  /// @param experts [T, K] of the layer @param x_TD what its router read
  template <class T>
  void add_layer(Exec& exec, std::size_t block, const MoEConfig& moe, std::span<const std::int32_t> experts,
                 View<const T, 2> x_TD, const CancelFlag* cancel);

  SpecialisationReport& report() { return report_; }

 private:
  const RoutingTrace& trace_;
  FrequencyBuckets buckets_;
  SpecialisationReport report_;
};

}  // namespace minimoe
