// SPDX-License-Identifier: Apache-2.0

package minimoe

import "minimoe/internal/raw"

// MoECache is what one forward leaves for its backward, and its routing decisions. It keeps its layer's memory alive.
// Several caches make several forwards before their backwards possible.
type MoECache struct {
	handle *handle[raw.MoECache]
}

// NewCache makes room for forwards of at most maxTokens tokens, 1..2^24: ErrInvalidArgument for more than an address
// space holds, ErrOutOfMemory for more than there is.
func (l *MoELayer) NewCache(maxTokens int) (*MoECache, error) {
	const op = "MoELayer.NewCache"
	most, err := count(op, "maxTokens", maxTokens)
	if err != nil {
		return nil, err
	}
	var ref raw.MoECache
	err = l.handle.try(op, func(layer raw.MoELayer, e *raw.Error) int32 {
		return raw.MoeCacheCreate(layer, most, &ref, e)
	})
	if err != nil {
		return nil, err
	}
	c := &MoECache{handle: newHandle(ref, raw.MoeCacheFree, l.sink.retain().release)}
	closeWith(c, c.handle)
	return c, nil
}

// Close frees the cache. It never fails.
func (c *MoECache) Close() error {
	c.handle.close()
	return nil
}

// TopKIdx gives the chosen experts [T, K], by descending score; -1 for tokens that are not valid.
func (c *MoECache) TopKIdx() ([]int32, error) {
	return growOf(c.handle, "MoECache.TopKIdx", 0, raw.MoeCacheTopkIdx)
}

// GateWeights gives the combine weights [T, K] of the chosen experts, before any capacity drop.
func (c *MoECache) GateWeights() ([]float32, error) {
	return growOf(c.handle, "MoECache.GateWeights", 0, raw.MoeCacheGateWeights)
}

// Kept gives 1 for every kept assignment [T, K], 0 for those that capacity dropped.
func (c *MoECache) Kept() ([]uint8, error) {
	return growOf(c.handle, "MoECache.Kept", 0, raw.MoeCacheKept)
}

// RouterLogits gives [T, E].
func (c *MoECache) RouterLogits() ([]float32, error) {
	return growOf(c.handle, "MoECache.RouterLogits", 0, raw.MoeCacheRouterLogits)
}

// RouterProbs gives [T, E]: the softmax of the logits, or the sigmoids divided by their sum.
func (c *MoECache) RouterProbs() ([]float32, error) {
	return growOf(c.handle, "MoECache.RouterProbs", 0, raw.MoeCacheRouterProbs)
}

// Load gives the assignments of each expert [E], before any capacity drop.
func (c *MoECache) Load() ([]int64, error) {
	return growOf(c.handle, "MoECache.Load", 0, raw.MoeCacheLoad)
}

// RoutingMetrics is what one forward routed, in short.
type RoutingMetrics struct {
	NumTokens    int64   // valid tokens
	NumDropped   int64   // assignments cut by capacity
	AuxLoss      float64 // Switch loss, unscaled; 1 is even
	ZLoss        float64 // router z-loss, unscaled
	MaxViolation float64 // max(load) / mean(load) - 1; 0 is even
	LoadEntropy  float64 // of the load shares, over ln E: 1 is even
}

// Metrics gives the forward in short.
func (c *MoECache) Metrics() (RoutingMetrics, error) {
	m := new(raw.RoutingMetrics)
	err := c.handle.try("MoECache.Metrics", func(ref raw.MoECache, e *raw.Error) int32 {
		return raw.MoeCacheMetrics(ref, m, e)
	})
	return RoutingMetrics{NumTokens: m.NumTokens, NumDropped: m.NumDropped, AuxLoss: m.AuxLoss, ZLoss: m.ZLoss,
		MaxViolation: m.MaxViolation, LoadEntropy: m.LoadEntropy}, err
}
