// SPDX-License-Identifier: Apache-2.0

package main

import "minimoe/internal/raw"

// makeModel gives 0 after writing "create".
func (r *runner) makeModel(config []byte) raw.Model {
	model := new(raw.Model)
	err := call(func(e *raw.Error) int32 { return raw.ModelCreate(config, r.options, model, e) })
	if err != nil {
		r.result = map[string]any{"create": err}
		return 0
	}
	r.setParameters(func(name string, values []float32, e *raw.Error) int32 {
		return raw.ModelParameterSet(*model, name, values, e)
	})
	return *model
}

func (r *runner) readParameters(model raw.Model) {
	for _, name := range r.Read {
		r.floats("parameter/"+name, func(out []float32, n *uint64, e *raw.Error) int32 {
			return raw.ModelParameterGet(model, name, out, n, e)
		})
	}
}

func (r *runner) model() {
	model := r.makeModel([]byte(r.Config))
	if model == 0 {
		return
	}
	defer raw.ModelFree(model)
	r.text("config", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.ModelConfig(model, b, n, e) })
	r.text("info", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.ModelInfo(model, b, n, e) })
	num := new(uint64)
	r.set("num_parameters", call(func(e *raw.Error) int32 { return raw.ModelNumParameters(model, num, e) }),
		func() any { return *num })
	infos := []any{}
	for i := range *num {
		infos = append(infos, textOf(func(b []byte, n *uint64, e *raw.Error) int32 {
			return raw.ModelParameterInfo(model, i, b, n, e)
		}))
	}
	r.result["parameter_info"] = infos
	ids, valid := tokens(r.Tag+100, r.NumTokens, r.VocabSize), r.validMask()
	forward := func(key string, model raw.Model) {
		r.floats(key, func(out []float32, n *uint64, e *raw.Error) int32 {
			return raw.ModelForward(model, ids, valid, r.SeqLen, out, n, e)
		})
	}
	forward("logits", model)
	var weights []float32
	var kept []byte
	experts, err := grow(func(out []int32, n *uint64, e *raw.Error) int32 {
		weights, kept = make([]float32, len(out)), make([]byte, len(out))
		return raw.ModelRoutingTrace(model, ids, valid, r.SeqLen, out, n, weights, nil, kept, nil, e)
	})
	r.set("trace.experts", err, func() any { return integersOf(experts) })
	r.set("trace.weights", err, func() any { return bitsOf(weights) })
	r.set("trace.kept", err, func() any { return integersOf(kept) })
	integers(r, "generated", func(out []int32, n *uint64, e *raw.Error) int32 {
		return raw.ModelGenerate(model, ids[:r.Prompt], []byte(r.Generate), 0, out, n, e)
	})
	r.readParameters(model)
	err = call(func(e *raw.Error) int32 { return raw.ModelSave(model, r.Path, e) })
	r.set("file", err, func() any { return fileHash(r.Path) })
	r.text("checkpoint_info", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.CheckpointInfo(r.Path, b, n, e) })
	loaded := new(raw.Model)
	if err := call(func(e *raw.Error) int32 { return raw.ModelLoad(r.Path, r.options, loaded, e) }); err != nil {
		r.result["loaded.logits"] = err
		return
	}
	defer raw.ModelFree(*loaded)
	forward("loaded.logits", *loaded)
}

func (r *runner) analyse() {
	dataset := r.makeDataset()
	if dataset == 0 {
		return
	}
	defer raw.DatasetFree(dataset)
	fitted, err := r.fitted(dataset)
	if err != nil {
		r.result["create"] = err
		return
	}
	model := r.makeModel(fitted)
	if model == 0 {
		return
	}
	defer raw.ModelFree(model)
	r.text("specialisation", func(b []byte, n *uint64, e *raw.Error) int32 {
		return raw.ModelSpecialisation(model, dataset, r.Split, []byte(r.Specialisation), 0, b, n, e)
	})
	r.text("capacity_report", func(b []byte, n *uint64, e *raw.Error) int32 {
		return raw.ModelCapacityReport(model, dataset, r.Split, []byte(r.Capacity), 0, b, n, e)
	})
	r.text("probes", func(b []byte, n *uint64, e *raw.Error) int32 {
		return raw.ModelAnswerProbes(model, dataset, r.Split, r.MaxCount, 0, b, n, e)
	})
}
