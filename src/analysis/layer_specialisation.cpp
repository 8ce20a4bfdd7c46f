// SPDX-License-Identifier: Apache-2.0
#include "analysis/layer_specialisation.hpp"

#include "analysis/random_router.hpp"

namespace minimoe {

SpecialisationBuilder::SpecialisationBuilder(const TokenSource& source, const WindowChoice& choice,
                                             const SpecialisationOptions& options, const RoutingTrace& trace)
    : trace_(trace) {
  report_.corpus = source.name();
  report_.split = split_name(choice.split);
  report_.num_windows = trace.num_windows;
  report_.num_tokens = trace.tokens.size();
  report_.options = options;
  report_.by_frequency = source.class_names().empty();
  if (report_.by_frequency) buckets_ = frequency_buckets(trace.tokens);
  report_.class_names = report_.by_frequency ? buckets_.names : source.class_names();
}

template <class T>
void SpecialisationBuilder::add_layer(Exec& exec, std::size_t block, const MoEConfig& moe,
                                      std::span<const std::int32_t> experts, View<const T, 2> x_TD,
                                      const CancelFlag* cancel) {
  RoutedTokens tokens;
  tokens.words = trace_.tokens;
  tokens.classes = report_.by_frequency ? buckets_.labels : trace_.classes;
  tokens.windows = trace_.windows;
  tokens.experts = experts;
  tokens.num_experts = moe.num_experts;
  tokens.top_k = moe.top_k;
  tokens.class_names = report_.class_names;
  tokens.classes_are_frequencies = report_.by_frequency;
  for (std::size_t router = 0; router < report_.options.num_routers; ++router) {
    throw_if_cancelled(cancel, "specialisation");
    const std::string name = concat("blocks.", block, ".moe.router.weight.random.", router);
    tokens.random_routers.push_back(
        random_router_choices(exec, x_TD, moe.num_experts, moe.top_k, report_.options.seed, name));
  }
  report_.layers.push_back(specialisation(tokens, report_.options, cancel));
  report_.layers.back().block = block;
}

template void SpecialisationBuilder::add_layer(Exec&, std::size_t, const MoEConfig&, std::span<const std::int32_t>,
                                               View<const float, 2>, const CancelFlag*);
template void SpecialisationBuilder::add_layer(Exec&, std::size_t, const MoEConfig&, std::span<const std::int32_t>,
                                               View<const double, 2>, const CancelFlag*);

}  // namespace minimoe
