// SPDX-License-Identifier: Apache-2.0

package minimoe

import "minimoe/internal/raw"

// RoutingTrace is where every token was sent. Each slice is [L, T, K] over the L MoE layers in block order, and empty
// for a dense model.
type RoutingTrace struct {
	Experts []int32   // by descending biased score; -1: padding
	Weights []float32 // combine weights
	Kept    []uint8   // 0: dropped by the capacity of evaluation
}

// RoutingTrace tells where every token is sent.
func (m *Model) RoutingTrace(batch Batch) (RoutingTrace, error) {
	const op = "Model.RoutingTrace"
	seqLen, err := count(op, "SeqLen", batch.SeqLen)
	if err != nil {
		return RoutingTrace{}, err
	}
	var trace RoutingTrace
	trace.Experts, err = growOf(m.handle, op, 0, func(ref raw.Model, ids []int32, needed *uint64, e *raw.Error) int32 {
		trace.Weights, trace.Kept = make([]float32, len(ids)), make([]uint8, len(ids))
		return raw.ModelRoutingTrace(ref, batch.Tokens, batch.Valid, seqLen, ids, needed, trace.Weights, nil,
			trace.Kept, nil, e)
	})
	if err != nil {
		return RoutingTrace{}, err
	}
	return trace, nil
}
