// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"iter"
	"runtime"
	"unsafe"

	"minimoe/internal/raw"
)

// View is a parameter of a model or a layer where it lies: it shows every change. It keeps the memory alive, also when
// the model or layer is closed; of a layer's bound parameter it shows the slice that was bound when the view was taken.
// Reading while a step is running races with it; between steps it does not.
type View struct {
	name       string
	shape      []int
	values     []float32
	generation uint64
	current    func() (uint64, error)
}

func (p *parameters[T]) newView(h *handle[T], sink *logSink, name string) (*View, error) {
	op := p.of + ".View"
	if err := checkName(op, "name", name); err != nil {
		return nil, err
	}
	view := new(raw.TensorView)
	take := func(ref T, e *raw.Error) int32 { return p.view(ref, name, view, e) }
	var kept *handle[T]
	err := h.use(op, func(ref T) error {
		if err := try(op, func(e *raw.Error) int32 { return take(ref, e) }); err != nil {
			return err
		}
		if err := try(op, func(e *raw.Error) int32 { return p.retain(ref, e) }); err != nil {
			return err
		}
		kept = newHandle(ref, p.free, sink.retain().release)
		return nil
	})
	if err != nil {
		return nil, err
	}
	v := &View{
		name:       name,
		shape:      make([]int, view.NumDims),
		values:     unsafe.Slice(view.Values, view.NumValues),
		generation: view.Generation,
		current: func() (uint64, error) {
			now := new(raw.TensorView)
			err := kept.try("View.Stale", func(ref T, e *raw.Error) int32 { return p.view(ref, name, now, e) })
			return now.Generation, err
		},
	}
	for i := range v.shape {
		v.shape[i] = int(view.Shape[i])
	}
	closeWith(v, kept)
	return v, nil
}

// Name is the parameter's.
func (v *View) Name() string { return v.name }

// Shape has at most 4 dimensions.
func (v *View) Shape() []int { return append([]int(nil), v.shape...) }

// Len is the number of values.
func (v *View) Len() int { return len(v.values) }

// At gives value i, row-major.
func (v *View) At(i int) float32 {
	defer runtime.KeepAlive(v)
	return v.values[i]
}

// All goes over the values, row-major.
func (v *View) All() iter.Seq2[int, float32] {
	return func(yield func(int, float32) bool) {
		defer runtime.KeepAlive(v)
		for i, value := range v.values {
			if !yield(i, value) {
				return
			}
		}
	}
}

// CopyTo copies as many values as fit into dst, and says how many.
func (v *View) CopyTo(dst []float32) int {
	defer runtime.KeepAlive(v)
	return copy(dst, v.values)
}

// Slice is the values themselves, row-major, to be read and not written. The collector does not see that the slice needs
// the view: end what you do with it by runtime.KeepAlive(v), or keep the model.
func (v *View) Slice() []float32 { return v.values }

// Stale reports whether values of the model or layer have changed since the view was taken: ErrBusy while a step is
// running.
func (v *View) Stale() (bool, error) {
	defer runtime.KeepAlive(v)
	now, err := v.current()
	return now != v.generation, err
}
