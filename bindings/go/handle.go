// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"runtime"
	"sync/atomic"

	"minimoe/internal/raw"
)

// numHandles counts those that are not freed, for the tests.
var numHandles atomic.Int64

// handle is the address of an object of C, which is freed once: when it was closed and no call is inside.
type handle[T ~uintptr] struct {
	ref   T
	free  func(T)
	after func()       // nil, or what goes when the object is gone
	state atomic.Int64 // the number of calls inside, and closedBit
}

const closedBit = 1 << 62

func newHandle[T ~uintptr](ref T, free func(T), after func()) *handle[T] {
	numHandles.Add(1)
	return &handle[T]{ref: ref, free: free, after: after}
}

// closeWith closes h when owner, which must not be reachable from h, is found to be garbage.
func closeWith[O any, T ~uintptr](owner *O, h *handle[T]) {
	runtime.AddCleanup(owner, func(h *handle[T]) { h.close() }, h)
}

func (h *handle[T]) enter() bool {
	if h == nil { // of an object that no function of this package made
		return false
	}
	for {
		state := h.state.Load()
		if state&closedBit != 0 {
			return false
		}
		if h.state.CompareAndSwap(state, state+1) {
			return true
		}
	}
}

func (h *handle[T]) leave() {
	if h.state.Add(-1) == closedBit {
		h.end()
	}
}

func (h *handle[T]) close() {
	if h == nil {
		return
	}
	for {
		state := h.state.Load()
		if state&closedBit != 0 {
			return
		}
		if h.state.CompareAndSwap(state, state|closedBit) {
			if state == 0 {
				h.end()
			}
			return
		}
	}
}

func (h *handle[T]) end() {
	h.free(h.ref)
	if h.after != nil {
		h.after()
	}
	numHandles.Add(-1)
}

// use runs what needs the object, which stays until it has returned.
func (h *handle[T]) use(op string, body func(ref T) error) error {
	if !h.enter() {
		return closed(op)
	}
	defer h.leave()
	return body(h.ref)
}

// try is use for a single call of C.
func (h *handle[T]) try(op string, call func(ref T, e *raw.Error) int32) error {
	if !h.enter() {
		return closed(op)
	}
	defer h.leave()
	return try(op, func(e *raw.Error) int32 { return call(h.ref, e) })
}

// textOf, documentOf and growOf are text, document and grow of an object.
func textOf[T ~uintptr](h *handle[T], op string, fill func(T, []byte, *uint64, *raw.Error) int32) ([]byte, error) {
	if !h.enter() {
		return nil, closed(op)
	}
	defer h.leave()
	return text(op, func(buf []byte, needed *uint64, e *raw.Error) int32 { return fill(h.ref, buf, needed, e) })
}

func documentOf[D any, T ~uintptr](h *handle[T], op string,
	fill func(T, []byte, *uint64, *raw.Error) int32) (D, error) {
	if !h.enter() {
		var none D
		return none, closed(op)
	}
	defer h.leave()
	return document[D](op, func(buf []byte, needed *uint64, e *raw.Error) int32 { return fill(h.ref, buf, needed, e) })
}

func growOf[E any, T ~uintptr](h *handle[T], op string, expect int,
	fill func(T, []E, *uint64, *raw.Error) int32) ([]E, error) {
	if !h.enter() {
		return nil, closed(op)
	}
	defer h.leave()
	return grow(op, expect, func(out []E, needed *uint64, e *raw.Error) int32 { return fill(h.ref, out, needed, e) })
}
