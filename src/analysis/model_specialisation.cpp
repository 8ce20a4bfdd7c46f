// SPDX-License-Identifier: Apache-2.0
#include "analysis/layer_specialisation.hpp"
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
  const auto most = static_cast<std::size_t>(batches.num_windows()) * choice.seq_len;
  for (std::vector<T>& inputs : routed.inputs)
    inputs.reserve(most * model.config().d_model);  // by far the largest part
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
  SpecialisationBuilder builder(source, choice, options, trace);
  for (std::size_t i = 0; i < trace.layers.size(); ++i) {
    const View<const T, 2> x_TD(routed.inputs[i].data(), {trace.tokens.size(), model.config().d_model});
    builder.add_layer(exec, trace.layers[i].block, model.config().moe, trace.layers[i].experts, x_TD, cancel);
  }
  return std::move(builder.report());
}

template SpecialisationReport model_specialisation(Exec&, const MiniGPT<float>&, const TokenSource&,
                                                   const WindowChoice&, const SpecialisationOptions&, const CancelFlag*,
                                                   MemoryResource*);
template SpecialisationReport model_specialisation(Exec&, const MiniGPT<double>&, const TokenSource&,
                                                   const WindowChoice&, const SpecialisationOptions&, const CancelFlag*,
                                                   MemoryResource*);

}  // namespace minimoe
