// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"minimoe"
	"minimoe/internal/raw"
)

// record keeps what a logger is told, from a level on.
type record struct {
	slog.Handler
	least slog.Level
	mutex sync.Mutex
	lines map[slog.Level][]string
	fail  bool
}

func (r *record) Enabled(_ context.Context, level slog.Level) bool { return level >= r.least }

func (r *record) Handle(_ context.Context, line slog.Record) error {
	if r.fail {
		panic("of a handler")
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.lines == nil {
		r.lines = map[slog.Level][]string{}
	}
	r.lines[line.Level] = append(r.lines[line.Level], line.Message)
	return nil
}

func TestALoggerIsToldWhatItsLevelAsksFor(t *testing.T) {
	for _, least := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		told := &record{least: least}
		trainer := smallTrainer(t, minimoe.WithLogger(slog.New(told)))
		ok(trainer.Run(t.Context(), 2))(t)
		must(t, trainer.Save(filepath.Join(t.TempDir(), "checkpoint")))
		if debug := len(told.lines[slog.LevelDebug]); (debug >= 6) != (least == slog.LevelDebug) { // micro-batches
			t.Errorf("from %v on: %d lines of detail", least, debug)
		}
		info := strings.Join(told.lines[slog.LevelInfo], "\n")
		if strings.Contains(info, "checkpoint") != (least <= slog.LevelInfo) {
			t.Errorf("from %v on: %q", least, info)
		}
	}
}

func TestALoggerServesATrainerWhoseModelIsClosedAndIsThenForgotten(t *testing.T) {
	collected(t, "objects", minimoe.NumHandles)
	before := raw.NumCallbacks()
	told := &record{least: slog.LevelDebug}
	trainer := smallTrainer(t, minimoe.WithLogger(slog.New(told)))
	must(t, trainer.Model().Close())
	must(t, trainer.Dataset().Close())
	lines := len(told.lines[slog.LevelDebug])
	ok(trainer.Run(t.Context(), 1))(t)
	if len(told.lines[slog.LevelDebug]) <= lines {
		t.Fatal("a closed model silences its trainer")
	}
	must(t, trainer.Close())
	if after := raw.NumCallbacks(); after != before {
		t.Fatalf("%d callbacks, %d before", after, before)
	}
}

func TestAHandlerThatPanicsDoesNotHarmTheLibrary(t *testing.T) {
	told := &record{least: slog.LevelDebug, fail: true}
	trainer := smallTrainer(t, minimoe.WithLogger(slog.New(told)))
	steps := ok(trainer.Run(t.Context(), 3))(t)
	want := ok(smallTrainer(t).Run(t.Context(), 3))(t)
	if steps[2] != want[2] {
		t.Fatalf("%+v, expected %+v", steps[2], want[2])
	}
	ok(trainer.Model().Forward(minimoe.Batch{Tokens: smallTokens(8), SeqLen: 8}))(t)
}

func TestManyGoroutinesLogAtOnce(t *testing.T) {
	told := &record{least: slog.LevelDebug}
	logger := slog.New(told)
	var group sync.WaitGroup
	for range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			ok(smallTrainer(t, minimoe.WithLogger(logger)).Run(t.Context(), 5))(t)
		}()
	}
	group.Wait()
	if got := len(told.lines[slog.LevelDebug]); got < 8*5*3 {
		t.Fatal(got)
	}
}
