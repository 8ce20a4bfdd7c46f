// SPDX-License-Identifier: Apache-2.0
// Caches of the bare MoE layer, and what they tell of their forward.
#include "moe_cache.hpp"

#include <minimoe/moe/load_statistics.hpp>

#include "arguments.hpp"

using minimoe::MoECache;
using minimoe::RoutingStats;
using minimoe::View;

namespace minimoe::capi {
namespace {

/// A cache that is read for its routing decisions.
class Routing {
 public:
  Routing(const char* function, const minimoe_moe_cache* cache) : held_(function, "cache", cache) {
    require(held_->holds_routing, function, ": the cache holds no forward");
  }
  const MoECache<float>& decisions() const { return held_->forward.cache; }
  const RoutingStats& stats() const { return held_->forward.stats; }
  const MoEConfig& config() const { return held_->layer->layer.config(); }

  /// The rows of the forward's tokens.
  template <class Value>
  void write(const Output<Value>& out, const View<Value, 2>& all) const {
    out.write({all.data(), decisions().num_tokens * all.shape(1)});
  }

 private:
  Reading<minimoe_moe_cache> held_;
};

/// Lack of memory is another matter: this is more than any machine has.
void check_size(const char* function, const MoEConfig& config, std::size_t max_tokens) {
  const std::size_t bytes = Arena::measure([&](Arena& arena) { MoEForward().plan(arena, config, max_tokens); });
  require(bytes <= kMaxBytes, function, ": max_tokens is ", max_tokens, ", for which this layer needs ", bytes,
          " bytes, more than memory can hold");
}

minimoe_routing_metrics metrics_of(const RoutingStats& stats, std::size_t top_k) {
  minimoe_routing_metrics metrics{};
  metrics.num_tokens = stats.num_tokens;
  metrics.num_dropped = stats.num_dropped;
  metrics.aux_loss = stats.aux_loss;
  metrics.z_loss = stats.z_loss;
  metrics.load_entropy = 1;
  if (stats.num_tokens > 0) {
    const LoadStatistics load = load_statistics(stats.load, top_k);
    metrics.max_violation = load.max_violation;
    metrics.load_entropy = load.load_entropy;
  }
  return metrics;
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_moe_cache::minimoe_moe_cache(minimoe_moe_layer& of, std::size_t tokens)
    : Handle(kKind), layer(of), max_tokens(tokens), arena(of.options.resource()) {
  arena.build([&](minimoe::Arena& a) { forward.plan(a, layer->layer.config(), max_tokens); });
}

minimoe_status minimoe_moe_cache_create(minimoe_moe_layer* layer, size_t max_tokens, minimoe_moe_cache** out,
                                        minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Reading<minimoe_moe_layer> held(where, "layer", layer);
    check_pointer(where, "out", out);
    minimoe::require(max_tokens >= 1 && max_tokens <= kMaxTokens, where, ": max_tokens is ", max_tokens,
                     ", expected 1..", kMaxTokens);
    check_size(where, held->layer.config(), max_tokens);
    *out = new minimoe_moe_cache(*held, max_tokens);
  });
}

void minimoe_moe_cache_free(minimoe_moe_cache* cache) { release(cache); }

minimoe_status minimoe_moe_cache_topk_idx(const minimoe_moe_cache* cache, int32_t* ids, size_t ids_cap,
                                          size_t* ids_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Routing routing(where, cache);
    routing.write(Output<std::int32_t>(where, "ids", ids, ids_cap, ids_needed), routing.decisions().topk_idx_TK);
  });
}

minimoe_status minimoe_moe_cache_gate_weights(const minimoe_moe_cache* cache, float* values, size_t values_cap,
                                              size_t* values_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Routing routing(where, cache);
    routing.write(Output<float>(where, "values", values, values_cap, values_needed),
                  routing.decisions().gate_weights_TK);
  });
}

minimoe_status minimoe_moe_cache_kept(const minimoe_moe_cache* cache, uint8_t* labels, size_t labels_cap,
                                      size_t* labels_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Routing routing(where, cache);
    routing.write(Output<std::uint8_t>(where, "labels", labels, labels_cap, labels_needed),
                  routing.decisions().kept_TK);
  });
}

minimoe_status minimoe_moe_cache_router_logits(const minimoe_moe_cache* cache, float* values, size_t values_cap,
                                               size_t* values_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Routing routing(where, cache);
    routing.write(Output<float>(where, "values", values, values_cap, values_needed),
                  routing.decisions().router_logits_TE);
  });
}

minimoe_status minimoe_moe_cache_router_probs(const minimoe_moe_cache* cache, float* values, size_t values_cap,
                                              size_t* values_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Routing routing(where, cache);
    routing.write(Output<float>(where, "values", values, values_cap, values_needed),
                  routing.decisions().router_probs_TE);
  });
}

minimoe_status minimoe_moe_cache_load(const minimoe_moe_cache* cache, int64_t* counts, size_t counts_cap,
                                      size_t* counts_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Routing routing(where, cache);
    Output<std::int64_t>(where, "counts", counts, counts_cap, counts_needed).write(routing.stats().load);
  });
}

minimoe_status minimoe_moe_cache_metrics(const minimoe_moe_cache* cache, minimoe_routing_metrics* metrics,
                                         size_t metrics_size, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Routing routing(where, cache);
    check_struct(where, "metrics", metrics, metrics_size);
    write_struct(metrics, metrics_size, metrics_of(routing.stats(), routing.config().top_k));
  });
}
