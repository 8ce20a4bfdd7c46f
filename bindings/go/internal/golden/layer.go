// SPDX-License-Identifier: Apache-2.0

package main

import "minimoe/internal/raw"

func (r *runner) makeLayer() (raw.MoELayer, *failure) {
	layer := new(raw.MoELayer)
	err := call(func(e *raw.Error) int32 { return raw.MoeLayerCreate([]byte(r.Config), r.options, layer, e) })
	return *layer, err
}

func makeCache(layer raw.MoELayer, maxTokens uint64) (raw.MoECache, *failure) {
	cache := new(raw.MoECache)
	err := call(func(e *raw.Error) int32 { return raw.MoeCacheCreate(layer, maxTokens, cache, e) })
	return *cache, err
}

func (r *runner) layer() {
	layer, err := r.makeLayer()
	if err != nil {
		r.result["create"] = err
		return
	}
	defer raw.MoeLayerFree(layer)
	r.text("config", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.MoeLayerConfig(layer, b, n, e) })
	num := new(uint64)
	r.set("num_parameters", call(func(e *raw.Error) int32 { return raw.MoeLayerNumParameters(layer, num, e) }),
		func() any { return *num })
	infos := []any{}
	for i := range *num {
		infos = append(infos, textOf(func(b []byte, n *uint64, e *raw.Error) int32 {
			return raw.MoeLayerParameterInfo(layer, i, b, n, e)
		}))
	}
	r.result["parameter_info"] = infos
	r.setParameters(func(name string, values []float32, e *raw.Error) int32 {
		return raw.MoeLayerParameterSet(layer, name, values, e)
	})
	x := fill(r.Tag+100, r.NumTokens*r.DModel, r.XScale)
	dY := fill(r.Tag+101, r.NumTokens*r.DModel, r.DYScale)
	valid := r.validMask()
	r.floats("infer", func(out []float32, n *uint64, e *raw.Error) int32 {
		return raw.MoeLayerInfer(layer, x, valid, out, n, e)
	})
	cache, err := makeCache(layer, uint64(r.NumTokens))
	if err != nil {
		r.result = map[string]any{"create": err}
		return
	}
	defer raw.MoeCacheFree(cache)
	r.floats("y", func(out []float32, n *uint64, e *raw.Error) int32 {
		return raw.MoeLayerForward(layer, cache, x, valid, r.SeqLen, out, n, e)
	})
	r.decisions(cache)
	if err := call(func(e *raw.Error) int32 { return raw.MoeLayerZeroGradients(layer, e) }); err != nil {
		panic(err.Message)
	}
	r.floats("d_x", func(out []float32, n *uint64, e *raw.Error) int32 {
		return raw.MoeLayerBackward(layer, cache, x, dY, r.BalanceScale, out, n, e)
	})
	for _, name := range r.Gradients {
		r.floats("gradient/"+name, func(out []float32, n *uint64, e *raw.Error) int32 {
			return raw.MoeLayerGradientGet(layer, name, out, n, e)
		})
	}
	load, _ := grow(func(out []int64, n *uint64, e *raw.Error) int32 { return raw.MoeCacheLoad(cache, out, n, e) })
	for range r.BiasUpdates {
		if err := call(func(e *raw.Error) int32 { return raw.MoeLayerUpdateBias(layer, load, e) }); err != nil {
			panic(err.Message)
		}
	}
	r.floats("expert_bias", func(out []float32, n *uint64, e *raw.Error) int32 {
		return raw.MoeLayerParameterGet(layer, "expert_bias", out, n, e)
	})
}

func (r *runner) decisions(cache raw.MoECache) {
	integers(r, "topk_idx", func(out []int32, n *uint64, e *raw.Error) int32 { return raw.MoeCacheTopkIdx(cache, out, n, e) })
	r.floats("gate_weights", func(out []float32, n *uint64, e *raw.Error) int32 {
		return raw.MoeCacheGateWeights(cache, out, n, e)
	})
	integers(r, "kept", func(out []byte, n *uint64, e *raw.Error) int32 { return raw.MoeCacheKept(cache, out, n, e) })
	r.floats("router_logits", func(out []float32, n *uint64, e *raw.Error) int32 {
		return raw.MoeCacheRouterLogits(cache, out, n, e)
	})
	r.floats("router_probs", func(out []float32, n *uint64, e *raw.Error) int32 {
		return raw.MoeCacheRouterProbs(cache, out, n, e)
	})
	integers(r, "load", func(out []int64, n *uint64, e *raw.Error) int32 { return raw.MoeCacheLoad(cache, out, n, e) })
	m := new(raw.RoutingMetrics)
	err := call(func(e *raw.Error) int32 { return raw.MoeCacheMetrics(cache, m, e) })
	r.set("metrics.num_tokens", err, func() any { return m.NumTokens })
	r.set("metrics.num_dropped", err, func() any { return m.NumDropped })
	r.set("metrics.aux_loss", err, func() any { return doublesOf(m.AuxLoss) })
	r.set("metrics.z_loss", err, func() any { return doublesOf(m.ZLoss) })
	r.set("metrics.max_violation", err, func() any { return doublesOf(m.MaxViolation) })
	r.set("metrics.load_entropy", err, func() any { return doublesOf(m.LoadEntropy) })
}
