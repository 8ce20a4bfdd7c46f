// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"fmt"
	"math"

	"minimoe/internal/raw"
)

// ParameterInfo describes a parameter of a model or a layer.
type ParameterInfo struct {
	Name  string `json:"name"` // "blocks.1.moe.router.weight"
	Shape []int  `json:"shape"`
	Role  string `json:"role"`  // "weight", or "buffer" (expert_bias)
	Decay bool   `json:"decay"` // whether weight decay takes part in its update
}

// NumValues is the product of the shape.
func (p ParameterInfo) NumValues() int {
	num := 1
	for _, size := range p.Shape {
		num *= size
	}
	return num
}

// parameters are the calls that a model and a layer have in common.
type parameters[T ~uintptr] struct {
	of     string
	num    func(T, *uint64, *raw.Error) int32
	info   func(T, uint64, []byte, *uint64, *raw.Error) int32
	get    func(T, string, []float32, *uint64, *raw.Error) int32
	set    func(T, string, []float32, *raw.Error) int32
	view   func(T, string, *raw.TensorView, *raw.Error) int32
	retain func(T, *raw.Error) int32
	free   func(T)
}

var modelParameters = parameters[raw.Model]{
	of: "Model", num: raw.ModelNumParameters, info: raw.ModelParameterInfo, get: raw.ModelParameterGet,
	set: raw.ModelParameterSet, view: raw.ModelParameterView, retain: raw.ModelRetain, free: raw.ModelFree,
}

var layerParameters = parameters[raw.MoELayer]{
	of: "MoELayer", num: raw.MoeLayerNumParameters, info: raw.MoeLayerParameterInfo, get: raw.MoeLayerParameterGet,
	set: raw.MoeLayerParameterSet, view: raw.MoeLayerParameterView, retain: raw.MoeLayerRetain, free: raw.MoeLayerFree,
}

func (p *parameters[T]) list(h *handle[T]) ([]ParameterInfo, error) {
	op := p.of + ".Parameters"
	var num uint64
	if err := h.try(op, func(ref T, e *raw.Error) int32 { return p.num(ref, &num, e) }); err != nil {
		return nil, err
	}
	list := make([]ParameterInfo, num)
	for i := range list {
		var err error
		list[i], err = documentOf[ParameterInfo](h, op, func(ref T, buf []byte, needed *uint64, e *raw.Error) int32 {
			return p.info(ref, uint64(i), buf, needed, e)
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (p *parameters[T]) copyOut(h *handle[T], name string) ([]float32, error) {
	op := p.of + ".Parameter"
	if err := checkName(op, "name", name); err != nil {
		return nil, err
	}
	return growOf(h, op, 0, func(ref T, values []float32, needed *uint64, e *raw.Error) int32 {
		return p.get(ref, name, values, needed, e)
	})
}

func (p *parameters[T]) overwrite(h *handle[T], name string, values []float32) error {
	op := p.of + ".SetParameter"
	if err := checkName(op, "name", name); err != nil {
		return err
	}
	return h.try(op, func(ref T, e *raw.Error) int32 { return p.set(ref, name, values, e) })
}

func (p *parameters[T]) views(h *handle[T], sink *logSink) (map[string]*View, error) {
	list, err := p.list(h)
	if err != nil {
		return nil, err
	}
	state := make(map[string]*View, len(list))
	for _, info := range list {
		if state[info.Name], err = p.newView(h, sink, info.Name); err != nil {
			return nil, err
		}
	}
	return state, nil
}

// load checks everything that can be wrong before it changes anything.
func (p *parameters[T]) load(h *handle[T], state map[string][]float32) error {
	op := p.of + ".LoadStateDict"
	list, err := p.list(h)
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(list))
	for _, info := range list {
		known[info.Name] = true
		values, ok := state[info.Name]
		if !ok {
			return refuse(op, fmt.Sprintf("%s is missing", info.Name))
		}
		if len(values) != info.NumValues() {
			message := fmt.Sprintf("%s has %d values, expected %d", info.Name, len(values), info.NumValues())
			return &Error{Code: ErrShape, Op: op, Message: message}
		}
		for i, value := range values {
			if v := float64(value); math.IsNaN(v) || math.IsInf(v, 0) {
				return refuse(op, fmt.Sprintf("%s: value %d is %g, expected a finite one", info.Name, i, v))
			}
		}
	}
	for name := range state {
		if !known[name] {
			return refuse(op, fmt.Sprintf("there is no parameter %q", name))
		}
	}
	for _, info := range list {
		if err := p.overwrite(h, info.Name, state[info.Name]); err != nil {
			return err
		}
	}
	return nil
}

// Parameters lists the model's tensors in their fixed order, buffers such as expert_bias included.
func (m *Model) Parameters() ([]ParameterInfo, error) { return modelParameters.list(m.handle) }

// Parameter copies a parameter out, row-major.
func (m *Model) Parameter(name string) ([]float32, error) {
	return modelParameters.copyOut(m.handle, name)
}

// SetParameter overwrites a parameter; every value must be finite.
func (m *Model) SetParameter(name string, values []float32) error {
	return modelParameters.overwrite(m.handle, name, values)
}

// View shows a parameter without a copy.
func (m *Model) View(name string) (*View, error) {
	return modelParameters.newView(m.handle, m.sink, name)
}

// StateDict shows every parameter without a copy, by name.
func (m *Model) StateDict() (map[string]*View, error) { return modelParameters.views(m.handle, m.sink) }

// LoadStateDict overwrites every parameter. state has each of them, and no other; nothing changes when one does not fit.
func (m *Model) LoadStateDict(state map[string][]float32) error {
	return modelParameters.load(m.handle, state)
}

// Generation is a number that grows whenever values of parameters change. It may be asked for during a step.
func (m *Model) Generation() (uint64, error) {
	var generation uint64
	err := m.handle.try("Model.Generation", func(ref raw.Model, e *raw.Error) int32 {
		return raw.ModelGeneration(ref, &generation, e)
	})
	return generation, err
}
