// SPDX-License-Identifier: Apache-2.0
#include "analysis/frequency_buckets.hpp"
#include "analysis/random_router.hpp"
#include "analysis/trace_batches.hpp"
#include "minimoe/analysis/specialisation.hpp"

namespace minimoe {
namespace {

/// The layers' inputs [T, D], beside the trace.
template <class T>
struct RoutedInputs {
  RoutingTrace trace;
  std::vector<std::vector<T>> inputs;
};

template <class T>
RoutedInputs<T> route(Exec& exec, const MiniGPT<T>& model, const TokenSource& source, const WindowChoice& choice,
                      const CancelFlag* cancel, MemoryResource* resource) {
  RoutedBatches<T> batches(exec, model, source, choice, resource);
  RoutedInputs<T> routed{empty_trace(model.config(), batches.num_windows()), {}};
  routed.inputs.resize(routed.trace.layers.size());
  while (batches.next(cancel)) {
    batches.forward();
    append_batch(routed.trace, batches, choice.seq_len);
    for (std::size_t i = 0; i < routed.inputs.size(); ++i) {
      const View<T, 2> x = batches.block(routed.trace.layers[i].block).norm2_TD;
      routed.inputs[i].insert(routed.inputs[i].end(), x.data(), x.data() + batches.num_tokens() * x.shape(1));
    }
  }
  return routed;
}

}  // namespace

template <class T>
SpecialisationReport model_specialisation(Exec& exec, const MiniGPT<T>& model, const TokenSource& source,
                                          const WindowChoice& choice, const SpecialisationOptions& options,
                                          const CancelFlag* cancel, MemoryResource* resource) {
  const RoutedInputs<T> routed = route(exec, model, source, choice, cancel, resource);
  const RoutingTrace& trace = routed.trace;
  SpecialisationReport report;
  report.corpus = source.name();
  report.split = split_name(choice.split);
  report.num_windows = trace.num_windows;
  report.num_tokens = trace.tokens.size();
  report.options = options;
  report.by_frequency = source.class_names().empty();
  FrequencyBuckets buckets;
  if (report.by_frequency) buckets = frequency_buckets(trace.tokens);
  report.class_names = report.by_frequency ? buckets.names : source.class_names();

  for (std::size_t i = 0; i < trace.layers.size(); ++i) {
    const LayerTrace& layer = trace.layers[i];
    RoutedTokens tokens;
    tokens.words = trace.tokens;
    tokens.classes = report.by_frequency ? buckets.labels : trace.classes;
    tokens.windows = trace.windows;
    tokens.experts = layer.experts;
    tokens.num_experts = layer.num_experts;
    tokens.top_k = layer.top_k;
    tokens.class_names = report.class_names;
    tokens.classes_are_frequencies = report.by_frequency;
    const View<const T, 2> x_TD(routed.inputs[i].data(), {trace.tokens.size(), model.config().d_model});
    for (std::size_t router = 0; router < options.num_routers; ++router) {
      throw_if_cancelled(cancel, "specialisation");
      const std::string name = concat("blocks.", layer.block, ".moe.router.weight.random.", router);
      tokens.random_routers.push_back(
          random_router_choices(exec, x_TD, layer.num_experts, layer.top_k, options.seed, name));
    }
    report.layers.push_back(specialisation(tokens, options, cancel));
    report.layers.back().block = layer.block;
  }
  return report;
}

template SpecialisationReport model_specialisation(Exec&, const MiniGPT<float>&, const TokenSource&,
                                                   const WindowChoice&, const SpecialisationOptions&, const CancelFlag*,
                                                   MemoryResource*);
template SpecialisationReport model_specialisation(Exec&, const MiniGPT<double>&, const TokenSource&,
                                                   const WindowChoice&, const SpecialisationOptions&, const CancelFlag*,
                                                   MemoryResource*);

}  // namespace minimoe
