// SPDX-License-Identifier: Apache-2.0

package minimoe

import "minimoe/internal/raw"

// LayerInput is tokens of a layer.
type LayerInput struct {
	X      []float32 // [T, D]
	Valid  []uint8   // [T], 0 marks tokens that are not routed (their output is 0); nil: all are
	SeqLen int       // tokens a sequence, for AuxLossScope "sequence", of which T is a multiple; 0: one sequence
}

// Infer gives the layer's output for inference, [T, D]; capacity is EvalCapacityFactor.
func (l *MoELayer) Infer(in LayerInput) ([]float32, error) {
	return output(len(in.X), func(y []float32) error { return l.infer("MoELayer.Infer", y, in) })
}

// InferInto is Infer into the caller's slice, which must not overlap in.X.
func (l *MoELayer) InferInto(y []float32, in LayerInput) error {
	return l.infer("MoELayer.InferInto", y, in)
}

func (l *MoELayer) infer(op string, y []float32, in LayerInput) error {
	return l.handle.try(op, func(ref raw.MoELayer, e *raw.Error) int32 {
		return raw.MoeLayerInfer(ref, in.X, in.Valid, y, nil, e)
	})
}

// Forward gives the layer's output in training, [T, D]; capacity is CapacityFactor. It leaves in cache what Backward
// needs, and the routing decisions. ErrNonFinite when a logit of a valid token is NaN or infinite; the cache then holds
// no forward.
func (l *MoELayer) Forward(cache *MoECache, in LayerInput) ([]float32, error) {
	return output(len(in.X), func(y []float32) error { return l.forward("MoELayer.Forward", y, cache, in) })
}

// ForwardInto is Forward into the caller's slice, which must not overlap in.X.
func (l *MoELayer) ForwardInto(y []float32, cache *MoECache, in LayerInput) error {
	return l.forward("MoELayer.ForwardInto", y, cache, in)
}

func (l *MoELayer) forward(op string, y []float32, cache *MoECache, in LayerInput) error {
	seqLen, err := count(op, "SeqLen", in.SeqLen)
	if err != nil {
		return err
	}
	return l.with(op, cache, func(ref raw.MoELayer, cacheRef raw.MoECache, e *raw.Error) int32 {
		return raw.MoeLayerForward(ref, cacheRef, in.X, in.Valid, seqLen, y, nil, e)
	})
}

// Backward adds to the parameters' gradients and gives that of x, [T, D]. Once for each forward: it consumes the cache's
// activations; the routing decisions stay readable. x is what Forward was given (the cache keeps no copy), dY the
// gradient of its output. balanceScale, 0..1e6, is a factor on AuxLossCoef and ZLossCoef: 1 for a plain loss, 1/A with A
// micro-batches, 0 for no balance losses. ErrNonFinite when x or dY of a valid token is NaN or infinite; nothing was
// added or consumed.
func (l *MoELayer) Backward(cache *MoECache, x, dY []float32, balanceScale float64) ([]float32, error) {
	return output(len(x), func(dX []float32) error {
		return l.backward("MoELayer.Backward", dX, cache, x, dY, balanceScale)
	})
}

// BackwardInto is Backward into the caller's slice, which must overlap neither x nor dY.
func (l *MoELayer) BackwardInto(dX []float32, cache *MoECache, x, dY []float32, balanceScale float64) error {
	return l.backward("MoELayer.BackwardInto", dX, cache, x, dY, balanceScale)
}

func (l *MoELayer) backward(op string, dX []float32, cache *MoECache, x, dY []float32, balanceScale float64) error {
	return l.with(op, cache, func(ref raw.MoELayer, cacheRef raw.MoECache, e *raw.Error) int32 {
		return raw.MoeLayerBackward(ref, cacheRef, x, dY, balanceScale, dX, nil, e)
	})
}

func (l *MoELayer) with(op string, cache *MoECache, call func(raw.MoELayer, raw.MoECache, *raw.Error) int32) error {
	if cache == nil {
		return refuse(op, "cache is nil")
	}
	return l.handle.use(op, func(ref raw.MoELayer) error {
		return cache.handle.try(op, func(cacheRef raw.MoECache, e *raw.Error) int32 { return call(ref, cacheRef, e) })
	})
}

func output(size int, pass func(out []float32) error) ([]float32, error) {
	out := make([]float32, size)
	if err := pass(out); err != nil {
		return nil, err
	}
	return out, nil
}
