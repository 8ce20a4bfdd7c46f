// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"

	"minimoe/internal/raw"
)

// status is one call that must fail.
func (r *runner) status() {
	result := func(err *failure) { r.set("result", err, func() any { return nil }) }
	infer := func(layer raw.MoELayer, x, y []float32, needed *uint64) {
		result(call(func(e *raw.Error) int32 { return raw.MoeLayerInfer(layer, x, nil, y, needed, e) }))
	}
	switch r.Status {
	case "MINIMOE_E_INVALID_ARGUMENT":
		_, err := grow(func(b []byte, n *uint64, e *raw.Error) int32 { return raw.ConfigResolve([]byte(r.Config), b, n, e) })
		result(err)
	case "MINIMOE_E_IO", "MINIMOE_E_CORRUPT_FILE":
		result(call(func(e *raw.Error) int32 { return raw.ModelLoad(r.Path, r.options, new(raw.Model), e) }))
	case "MINIMOE_E_VERSION":
		result(call(func(e *raw.Error) int32 { return raw.CheckVersion(r.HeaderVersion, e) }))
	case "MINIMOE_E_UNSUPPORTED":
		dataset := new(raw.Dataset)
		if err := call(func(e *raw.Error) int32 { return raw.DatasetOpen([]byte(r.Config), r.options, dataset, e) }); err != nil {
			panic(err.Message)
		}
		defer raw.DatasetFree(*dataset)
		result(call(func(e *raw.Error) int32 { return raw.DatasetAppendI32(*dataset, []int32{1}, nil, e) }))
	case "MINIMOE_E_BUSY":
		dataset := r.makeDataset()
		defer raw.DatasetFree(dataset)
		model := r.makeModel([]byte(r.Config))
		defer raw.ModelFree(model)
		trainer, err := makeTrainer(model, dataset, []byte(r.Config))
		if err != nil {
			panic(err.Message)
		}
		defer raw.TrainerFree(trainer)
		_, err = makeTrainer(model, dataset, []byte(r.Config))
		result(err)
	case "MINIMOE_E_CANCELLED":
		model := r.makeModel([]byte(r.Config))
		defer raw.ModelFree(model)
		token := firedToken()
		defer raw.CancelTokenFree(token)
		_, err := grow(func(ids []int32, n *uint64, e *raw.Error) int32 {
			return raw.ModelGenerate(model, []int32{1}, []byte("{}"), token, ids, n, e)
		})
		result(err)
	default:
		layer, err := r.makeLayer()
		if err != nil {
			panic(err.Message)
		}
		defer raw.MoeLayerFree(layer)
		x := make([]float32, r.Count)
		switch r.Status {
		case "MINIMOE_E_OUT_OF_MEMORY":
			_, err := makeCache(layer, r.MaxTokens)
			result(err)
		case "MINIMOE_E_NON_FINITE":
			for i := range x {
				x[i] = float32(math.NaN())
			}
			cache, err := makeCache(layer, 1)
			if err != nil {
				panic(err.Message)
			}
			defer raw.MoeCacheFree(cache)
			result(call(func(e *raw.Error) int32 {
				return raw.MoeLayerForward(layer, cache, x, nil, 0, make([]float32, len(x)), nil, e)
			}))
		case "MINIMOE_E_SHAPE":
			infer(layer, x, make([]float32, len(x)), nil)
		case "MINIMOE_E_BUFFER_TOO_SMALL":
			needed := new(uint64)
			infer(layer, x, make([]float32, len(x)-1), needed)
			r.result["needed"] = *needed
		default:
			panic("unknown status " + r.Status)
		}
	}
}
