// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/routing_trace.hpp"

#include "analysis/trace_batches.hpp"

namespace minimoe {
namespace {

template <class T>
void append(LayerTrace& layer, const MoECache<T>& cache, std::size_t num_tokens) {
  const std::size_t count = num_tokens * layer.top_k;
  layer.experts.insert(layer.experts.end(), cache.topk_idx_TK.data(), cache.topk_idx_TK.data() + count);
  for (std::size_t i = 0; i < count; ++i) {
    layer.weights.push_back(static_cast<float>(cache.gate_weights_TK.data()[i]));
  }
  layer.kept.insert(layer.kept.end(), cache.kept_TK.data(), cache.kept_TK.data() + count);
}

}  // namespace

RoutingTrace empty_trace(const ModelConfig& config, std::uint64_t num_windows) {
  RoutingTrace trace;
  trace.num_windows = num_windows;
  for (const std::size_t block : config.moe_layers) {
    LayerTrace layer;
    layer.block = block;
    layer.num_experts = config.moe.num_experts;
    layer.top_k = config.moe.top_k;
    trace.layers.push_back(std::move(layer));
  }
  return trace;
}

template <class T>
void append_batch(RoutingTrace& trace, const RoutedBatches<T>& batches, std::size_t seq_len) {
  const auto tokens = batches.tokens();
  const auto classes = batches.classes();
  trace.tokens.insert(trace.tokens.end(), tokens.begin(), tokens.end());
  trace.classes.insert(trace.classes.end(), classes.begin(), classes.end());
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    trace.windows.push_back(static_cast<std::uint32_t>(batches.first_window() + t / seq_len));
    trace.positions.push_back(static_cast<std::uint32_t>(t % seq_len));
  }
  for (LayerTrace& layer : trace.layers) append(layer, batches.block(layer.block).moe, tokens.size());
}

template <class T>
RoutingTrace trace_routing(Exec& exec, const MiniGPT<T>& model, const TokenSource& source, const WindowChoice& choice,
                           const CancelFlag* cancel, MemoryResource* resource) {
  RoutedBatches<T> batches(exec, model, source, choice, resource);
  RoutingTrace trace = empty_trace(model.config(), batches.num_windows());
  while (batches.next(cancel)) {
    batches.forward();
    append_batch(trace, batches, choice.seq_len);
  }
  return trace;
}

#define MINIMOE_INSTANTIATE(T)                                                                           \
  template void append_batch(RoutingTrace&, const RoutedBatches<T>&, std::size_t);                       \
  template RoutingTrace trace_routing(Exec&, const MiniGPT<T>&, const TokenSource&, const WindowChoice&, \
                                      const CancelFlag*, MemoryResource*);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
