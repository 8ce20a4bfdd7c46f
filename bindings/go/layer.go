// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"runtime"
	"sync"

	"minimoe/internal/raw"
)

// MoELayer is the bare MoE layer, for a program that has its own model and loop. Inputs and outputs are [T, D], D =
// Model.DModel, E = MoE.NumExperts, K = MoE.TopK; the output is the weighted sum of the experts' outputs, plus the shared
// experts': norm and residual connection are the program's. Gradients of parameters accumulate until ZeroGradients.
//
// Infer and Forward read the layer and run side by side; Backward, ZeroGradients, UpdateBias, SetParameter, the Bind
// methods and ParametersChanged write to it.
type MoELayer struct {
	handle   *handle[raw.MoELayer]
	sink     *logSink
	bindings *bindings
}

// NewMoELayer makes a layer with the start values of Train.Seed. Of config, Model's DModel, FFN, GELU, InitStd, NumLayers
// (w_down_proj starts with InitStd / sqrt(2 * NumLayers)) and MoE count, and Train.Seed; the other fields must be in
// their ranges.
func NewMoELayer(config Config, opts ...Option) (*MoELayer, error) {
	const op = "NewMoELayer"
	written, err := encode(op, config)
	if err != nil {
		return nil, err
	}
	options, sink, err := resolve(op, opts)
	if err != nil {
		return nil, err
	}
	var ref raw.MoELayer
	if err := try(op, func(e *raw.Error) int32 { return raw.MoeLayerCreate(written, options, &ref, e) }); err != nil {
		sink.release()
		return nil, err
	}
	bound := &bindings{pins: map[binding]*runtime.Pinner{}}
	l := &MoELayer{sink: sink, bindings: bound, handle: newHandle(ref, raw.MoeLayerFree, func() {
		bound.unpin()
		sink.release()
	})}
	closeWith(l, l.handle)
	return l, nil
}

// Close frees the layer, once its caches and views are gone too, and lets go of bound slices. It never fails.
func (l *MoELayer) Close() error {
	l.handle.close()
	return nil
}

// Config is the resolved configuration, whole.
func (l *MoELayer) Config() (Config, error) {
	return documentOf[Config](l.handle, "MoELayer.Config", raw.MoeLayerConfig)
}

// Parameters lists the layer's tensors in their fixed order, buffers such as expert_bias included.
func (l *MoELayer) Parameters() ([]ParameterInfo, error) { return layerParameters.list(l.handle) }

// Parameter copies a parameter out, row-major.
func (l *MoELayer) Parameter(name string) ([]float32, error) {
	return layerParameters.copyOut(l.handle, name)
}

// SetParameter overwrites a parameter; every value must be finite.
func (l *MoELayer) SetParameter(name string, values []float32) error {
	return layerParameters.overwrite(l.handle, name, values)
}

// View shows a parameter without a copy.
func (l *MoELayer) View(name string) (*View, error) {
	return layerParameters.newView(l.handle, l.sink, name)
}

// StateDict shows every parameter without a copy, by name.
func (l *MoELayer) StateDict() (map[string]*View, error) {
	return layerParameters.views(l.handle, l.sink)
}

// LoadStateDict overwrites every parameter. state has each of them, and no other; nothing changes when one does not fit.
func (l *MoELayer) LoadStateDict(state map[string][]float32) error {
	return layerParameters.load(l.handle, state)
}

// Gradient copies the gradient of a parameter out, row-major. Buffers have none.
func (l *MoELayer) Gradient(name string) ([]float32, error) {
	const op = "MoELayer.Gradient"
	if err := checkName(op, "name", name); err != nil {
		return nil, err
	}
	return growOf(l.handle, op, 0, func(ref raw.MoELayer, values []float32, needed *uint64, e *raw.Error) int32 {
		return raw.MoeLayerGradientGet(ref, name, values, needed, e)
	})
}

// ZeroGradients sets the gradients of all parameters to 0, bound ones included.
func (l *MoELayer) ZeroGradients() error {
	return l.handle.try("MoELayer.ZeroGradients", raw.MoeLayerZeroGradients)
}

// UpdateBias balances without a loss: expert_bias[i] += BiasUpdateRate * sign(mean(load) - load[i]). Once an optimizer
// step, with the loads [E] of all its forwards.
func (l *MoELayer) UpdateBias(load []int64) error {
	return l.handle.try("MoELayer.UpdateBias", func(ref raw.MoELayer, e *raw.Error) int32 {
		return raw.MoeLayerUpdateBias(ref, load, e)
	})
}

// binding is a parameter, or its gradient.
type binding struct {
	name     string
	gradient bool
}

// bindings are the slices that C uses between calls.
type bindings struct {
	mutex sync.Mutex
	pins  map[binding]*runtime.Pinner
}

func (b *bindings) unpin() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, pinner := range b.pins {
		pinner.Unpin()
	}
	clear(b.pins)
}

// BindParameter makes the layer use values for a parameter, as they stand there, until it is bound elsewhere or closed;
// an empty slice goes back to the layer's own memory, with the values from before. The slice stays pinned that long.
// After every change of the values, call ParametersChanged.
func (l *MoELayer) BindParameter(name string, values []float32) error {
	return l.bind("MoELayer.BindParameter", binding{name: name}, values, raw.MoeLayerBindParameter)
}

// BindGradient makes the layer add to values as a parameter's gradient; an empty slice goes back to its own memory.
func (l *MoELayer) BindGradient(name string, values []float32) error {
	return l.bind("MoELayer.BindGradient", binding{name: name, gradient: true}, values, raw.MoeLayerBindGradient)
}

func (l *MoELayer) bind(op string, which binding, values []float32,
	call func(raw.MoELayer, string, []float32, *raw.Error) int32) error {
	if err := checkName(op, "name", which.name); err != nil {
		return err
	}
	return l.handle.use(op, func(ref raw.MoELayer) error {
		l.bindings.mutex.Lock()
		defer l.bindings.mutex.Unlock()
		pinner := new(runtime.Pinner)
		pin(pinner, values)
		if err := try(op, func(e *raw.Error) int32 { return call(ref, which.name, values, e) }); err != nil {
			pinner.Unpin()
			return err
		}
		if last := l.bindings.pins[which]; last != nil {
			last.Unpin()
		}
		l.bindings.pins[which] = pinner
		return nil
	})
}

// ParametersChanged tells the layer that the program wrote to bound parameters.
func (l *MoELayer) ParametersChanged() error {
	return l.handle.try("MoELayer.ParametersChanged", raw.MoeLayerParametersChanged)
}
