// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"minimoe"
	"minimoe/internal/counting"
)

// collected waits until the collector, whose cleanups run on a goroutine of their own, has freed everything that the
// tests so far have dropped.
func collected(t *testing.T, what string, left func() int64) {
	t.Helper()
	for range 200 {
		runtime.GC()
		if left() == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%d %s are left", left(), what)
}

// useEverything makes an object of each kind, uses it, and drops it without Close.
func useEverything(t *testing.T) {
	counted := minimoe.WithCounting()
	trainer := smallTrainer(t, counted)
	for _, err := range trainer.Steps(t.Context()) {
		must(t, err)
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	ok(trainer.Run(ctx, 1))(t)
	cancel()
	ok(trainer.Model().StateDict())(t)
	layer := smallLayer(t, counted)
	cache := ok(layer.NewCache(4))(t)
	must(t, layer.BindParameter("router.weight", ramp(24, 1)))
	must(t, layer.BindGradient("router.weight", ramp(24, 1)))
	ok(layer.Forward(cache, minimoe.LayerInput{X: ramp(24, 1)}))(t)
	ok(layer.View("router.weight"))(t)
	ok(minimoe.BorrowDataset(minimoe.MemoryConfig{VocabSize: 13}, smallTokens(100), nil))(t)
	_, err := minimoe.NewTrainer(trainer.Model(), trainer.Dataset(), minimoe.Config{})
	wants(t, err, minimoe.ErrInvalidArgument)
	if minimoe.NumHandles() < 8 || counting.Blocks() == 0 {
		t.Fatalf("%d objects, %d blocks: the test looks at nothing", minimoe.NumHandles(), counting.Blocks())
	}
}

func TestNoObjectIsLeftAfterTheCollector(t *testing.T) {
	useEverything(t)
	collected(t, "objects", minimoe.NumHandles)
	collected(t, "blocks of the library's memory", counting.Blocks)
}

func TestCloseFreesAtOnceInAnyOrder(t *testing.T) {
	collected(t, "objects", minimoe.NumHandles)
	collected(t, "blocks", counting.Blocks)
	counted := minimoe.WithCounting()
	trainer := smallTrainer(t, counted)
	model, dataset := trainer.Model(), trainer.Dataset()
	layer := smallLayer(t, counted)
	cache := ok(layer.NewCache(4))(t)
	must(t, layer.Close())
	must(t, dataset.Close())
	must(t, model.Close())
	if steps := ok(trainer.Run(t.Context(), 2))(t); len(steps) != 2 {
		t.Fatal("a trainer does not keep its model and dataset alive")
	}
	if _, err := cache.Load(); !errors.Is(err, minimoe.ErrInvalidArgument) || errors.Is(err, minimoe.ErrClosed) {
		t.Fatal(err)
	}
	must(t, trainer.Close())
	must(t, trainer.Close())
	must(t, cache.Close())
	if minimoe.NumHandles() != 0 || counting.Blocks() != 0 {
		t.Fatalf("%d objects, %d blocks", minimoe.NumHandles(), counting.Blocks())
	}
	runtime.KeepAlive([]any{trainer, model, dataset, layer, cache})
}

func TestCloseDuringACallLetsItFinish(t *testing.T) {
	trainer := smallTrainer(t)
	done := make(chan error)
	started := make(chan struct{})
	go func() {
		var steps int
		for _, err := range trainer.Steps(t.Context()) {
			if err != nil {
				done <- err
				return
			}
			if steps++; steps == 1 {
				close(started)
			}
		}
		done <- nil
	}()
	<-started
	must(t, trainer.Close())
	if err := <-done; err != nil {
		wants(t, err, minimoe.ErrClosed)
	}
	_, err := trainer.Step()
	wants(t, err, minimoe.ErrClosed)
}

func TestFreeingOnAnotherThreadWhileOthersCompute(t *testing.T) {
	layer := smallLayer(t)
	want := ok(layer.Infer(minimoe.LayerInput{X: ramp(24, 1)}))(t)
	var group sync.WaitGroup
	for range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			runtime.LockOSThread() // which ends with the goroutine
			for range 20 {
				cache := ok(layer.NewCache(4))(t)
				y := ok(layer.Forward(cache, minimoe.LayerInput{X: ramp(24, 1)}))(t)
				if !slices.Equal(y, want) {
					t.Error("other bits")
				}
			}
			runtime.GC()
		}()
	}
	group.Wait()
	layer = nil
	collected(t, "objects", minimoe.NumHandles)
}

func TestAClosedHandleUnderRunningCallsIsFreedOnce(t *testing.T) {
	for range 50 {
		model := smallModel(t, minimoe.WithCounting())
		var group sync.WaitGroup
		for range 4 {
			group.Add(1)
			go func() {
				defer group.Done()
				for {
					if _, err := model.Parameter(routerWeight); err != nil {
						if !errors.Is(err, minimoe.ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			}()
		}
		must(t, model.Close())
		group.Wait()
	}
	collected(t, "objects", minimoe.NumHandles)
	collected(t, "blocks", counting.Blocks)
}

func TestAnObjectInUseIsBusyForAnother(t *testing.T) {
	trainer := endlessTrainer(t)
	model := trainer.Model()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		for {
			if _, err := trainer.Run(ctx, 1); !errors.Is(err, minimoe.ErrBusy) { // of the reader below
				done <- err
				return
			}
		}
	}()
	for {
		_, err := model.Parameter(routerWeight)
		if errors.Is(err, minimoe.ErrBusy) {
			break
		}
		must(t, err) // the step has not begun yet
	}
	_, err := trainer.Run(t.Context(), 1)
	wants(t, err, minimoe.ErrBusy)
	wants(t, trainer.Save(t.TempDir()+"/checkpoint"), minimoe.ErrBusy)
	if _, err := model.Generation(); err != nil {
		t.Fatal(err)
	}
	cancel()
	wants(t, <-done, context.Canceled)
	ok(model.Parameter(routerWeight))(t)
}
