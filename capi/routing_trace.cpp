// SPDX-License-Identifier: Apache-2.0
// Where a model sends the tokens that a caller gives it.
#include "forward_arguments.hpp"
#include "model.hpp"

namespace minimoe::capi {
namespace {

struct TraceOutputs {
  Output<std::int32_t> experts;
  Output<float> weights;
  Output<std::uint8_t> kept;

  // All counts are set before the first refusal, so that one call tells them all.
  void reserve(std::size_t count) const {
    if (count > experts.cap() || count > weights.cap() || count > kept.cap()) {
      experts.set_needed(count);
      weights.set_needed(count);
      kept.set_needed(count);
    }
    experts.reserve(count);
    weights.reserve(count);
    kept.reserve(count);
  }
};

void trace(const minimoe_model& model, const ForwardArguments& a, std::size_t total, const TraceOutputs& out) {
  const std::vector<std::size_t>& blocks = model.config.model.moe_layers;
  if (total > 0) {
    const auto work = forward(model, a);
    const std::size_t count = total / blocks.size();
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const MoECache<float>& cache = work->cache.blocks[blocks[i]].moe;
      std::copy_n(cache.topk_idx_TK.data(), count, out.experts.data() + i * count);
      std::copy_n(cache.gate_weights_TK.data(), count, out.weights.data() + i * count);
      std::copy_n(cache.kept_TK.data(), count, out.kept.data() + i * count);
    }
  }
  out.experts.set_needed(total);
  out.weights.set_needed(total);
  out.kept.set_needed(total);
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_model_routing_trace(const minimoe_model* model, const int32_t* tokens, size_t num_tokens,
                                           const uint8_t* valid, size_t num_valid, size_t seq_len, int32_t* ids,
                                           size_t ids_cap, size_t* ids_needed, float* values, size_t values_cap,
                                           size_t* values_needed, uint8_t* labels, size_t labels_cap,
                                           size_t* labels_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TraceOutputs out{{where, "ids", ids, ids_cap, ids_needed},
                           {where, "values", values, values_cap, values_needed},
                           {where, "labels", labels, labels_cap, labels_needed}};
    const ForwardArguments arguments{input(where, "tokens", tokens, num_tokens),
                                     input(where, "valid", valid, num_valid), seq_len};
    const Reading<minimoe_model> reading(where, "model", model);
    check_forward(where, arguments, reading->config.model);
    const std::size_t count = num_tokens * reading->config.model.moe.top_k * reading->config.model.moe_layers.size();
    out.reserve(count);  // the arrays are that long from here on
    check_apart(where, "ids", ids, count * sizeof *ids, "values", values, count * sizeof *values);
    check_apart(where, "ids", ids, count * sizeof *ids, "labels", labels, count);
    check_apart(where, "values", values, count * sizeof *values, "labels", labels, count);
    trace(*reading, arguments, count, out);
  });
}
