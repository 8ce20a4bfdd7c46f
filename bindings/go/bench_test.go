// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"minimoe"
	"minimoe/internal/raw"
)

// What a call costs where the library does next to nothing. `go test -run=^$ -bench=Call .` The processor's time stands
// beside that of the clock, which other programs lengthen.
func reportCPU(b *testing.B) func() {
	b.ReportAllocs()
	used := func() time.Duration {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			b.Fatal(err)
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64((used()-before).Nanoseconds())/float64(b.N), "cpu-ns/op") }
}

func BenchmarkCallRaw(b *testing.B) {
	defer reportCPU(b)()
	for b.Loop() {
		raw.VersionNumber()
	}
}

func BenchmarkCallNumber(b *testing.B) {
	model := smallModel(b)
	defer reportCPU(b)()
	for b.Loop() {
		if _, err := model.Generation(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCallBuffer(b *testing.B) {
	layer := smallLayer(b)
	cache := ok(layer.NewCache(1))(b)
	ok(layer.Forward(cache, minimoe.LayerInput{X: ramp(6, 1)}))(b)
	defer reportCPU(b)()
	for b.Loop() {
		if _, err := cache.Metrics(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCallName(b *testing.B) {
	model := smallModel(b)
	values := make([]float32, 32)
	defer reportCPU(b)()
	for b.Loop() {
		if err := model.SetParameter(routerWeight, values); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCallError(b *testing.B) {
	layer := smallLayer(b)
	defer reportCPU(b)()
	for b.Loop() {
		if err := layer.UpdateBias(nil); err == nil {
			b.Fatal("no error")
		}
	}
}

// A layer of one token of width 6: the least that forward can be.
func BenchmarkCallInfer(b *testing.B) {
	layer := smallLayer(b)
	x, y := ramp(6, 1), make([]float32, 6)
	defer reportCPU(b)()
	for b.Loop() {
		if err := layer.InferInto(y, minimoe.LayerInput{X: x}); err != nil {
			b.Fatal(err)
		}
	}
}

// What a context that can end adds: a token, its two owners, and a function that waits.
func BenchmarkCallContext(b *testing.B) {
	trainer := smallTrainer(b)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer reportCPU(b)()
	for b.Loop() {
		if _, err := trainer.Run(ctx, 0); err != nil {
			b.Fatal(err)
		}
	}
}
