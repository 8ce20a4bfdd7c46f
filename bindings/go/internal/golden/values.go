// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math"
	"os"

	"minimoe/internal/raw"
)

// failure is a call that did not succeed, as it stands in the results.
type failure struct {
	Name    string `json:"error"`
	Message string `json:"message"`
	code    int32
}

// call gives nil or the failure.
func call(body func(e *raw.Error) int32) *failure {
	e := new(raw.Error)
	if status := body(e); status != 0 {
		return &failure{raw.StatusName(status), e.Text(), status}
	}
	return nil
}

// grow calls fill until everything fits.
func grow[E any](fill func(out []E, needed *uint64, e *raw.Error) int32) ([]E, *failure) {
	var out []E
	for {
		needed := new(uint64)
		err := call(func(e *raw.Error) int32 { return fill(out, needed, e) })
		if err == nil {
			return out[:*needed], nil
		}
		if int(err.code) != raw.MINIMOE_E_BUFFER_TOO_SMALL || *needed <= uint64(len(out)) {
			return nil, err
		}
		out = make([]E, *needed)
	}
}

func textOf(fill func(buf []byte, needed *uint64, e *raw.Error) int32) any {
	out, err := grow(fill)
	if err != nil {
		return err
	}
	return string(bytes.TrimSuffix(out, []byte{0}))
}

func (r *runner) text(key string, fill func(buf []byte, needed *uint64, e *raw.Error) int32) {
	r.result[key] = textOf(fill)
}

// floats puts float32 values, or the error, at a key.
func (r *runner) floats(key string, fill func(out []float32, needed *uint64, e *raw.Error) int32) []float32 {
	out, err := grow(fill)
	r.set(key, err, func() any { return bitsOf(out) })
	return out
}

func integersOf[E int32 | int64 | uint8](values []E) []int64 {
	out := make([]int64, len(values)) // never null, and bytes as numbers
	for i, value := range values {
		out[i] = int64(value)
	}
	return out
}

func integers[E int32 | int64 | uint8](r *runner, key string, fill func(out []E, needed *uint64, e *raw.Error) int32) []E {
	out, err := grow(fill)
	r.set(key, err, func() any { return integersOf(out) })
	return out
}

func (r *runner) set(key string, err *failure, value func() any) {
	if err != nil {
		r.result[key] = err
	} else {
		r.result[key] = value()
	}
}

func bitsOf(values []float32) any {
	bits := make([]uint32, len(values))
	for i, value := range values {
		bits[i] = math.Float32bits(value)
	}
	return map[string]any{"f32": bits}
}

func doublesOf(values ...float64) any {
	bits := make([]string, len(values))
	for i, value := range values {
		bits[i] = fmt.Sprintf("%016x", math.Float64bits(value))
	}
	return map[string]any{"f64": bits}
}

func fileHash(path string) any {
	content, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	hash := fnv.New64a()
	hash.Write(content)
	return map[string]any{"fnv1a64": fmt.Sprintf("%016x", hash.Sum64()), "size": len(content)}
}

func hash(tag, i int64) int64 {
	m := (tag*7919 + i*104729 + 1) % 1000003
	return m * m % 1000003
}

func fill(tag int64, num int, scale float64) []float32 {
	values := make([]float32, num)
	for i := range values {
		values[i] = float32(float64(hash(tag, int64(i))%1009-504) * scale)
	}
	return values
}

func tokens(tag int64, num int, vocab int64) []int32 {
	ids := make([]int32, num)
	for i := range ids {
		at := int64(i)
		ids[i] = int32((at*at + hash(tag, at)%3) % vocab)
	}
	return ids
}

// setParameters overwrites what the case lists.
func (r *runner) setParameters(set func(name string, values []float32, e *raw.Error) int32) {
	for p, entry := range r.Parameters {
		num, period, scale := int(entry[1].(float64)), int(entry[2].(float64)), entry[3].(float64)
		once := fill(r.Tag+int64(p), period, scale)
		values := make([]float32, num)
		for j := range values {
			values[j] = once[j%period]
		}
		if err := call(func(e *raw.Error) int32 { return set(entry[0].(string), values, e) }); err != nil {
			panic(err.Message)
		}
	}
}

func (r *runner) validMask() []byte {
	mask := make([]byte, len(r.Valid))
	for i, v := range r.Valid {
		mask[i] = byte(v)
	}
	return mask
}
