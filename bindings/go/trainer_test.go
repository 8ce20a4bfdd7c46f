// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"minimoe"
)

func TestRunTrainsAndReportsEveryStep(t *testing.T) {
	trainer := smallTrainer(t)
	steps := ok(trainer.Run(t.Context(), 20))(t)
	if len(steps) != 20 || steps[19].Step != 20 || steps[0].NumTokens != 2*8*3 {
		t.Fatalf("%d steps, the last %+v", len(steps), steps[len(steps)-1])
	}
	if steps[19].Loss >= steps[0].Loss || steps[0].AuxLoss <= 0 || steps[0].GradientNorm <= 0 {
		t.Fatalf("from %+v to %+v", steps[0], steps[19])
	}
	if step := ok(trainer.Step())(t); step != 20 {
		t.Fatal(step)
	}
}

func TestRunEndsWithTheScheduleAndThenDoesNothing(t *testing.T) {
	trainer := smallTrainer(t)
	if steps := ok(trainer.Run(t.Context(), 1_000_000_000))(t); len(steps) != 50 {
		t.Fatal(len(steps))
	}
	if steps := ok(trainer.Run(t.Context(), 3))(t); len(steps) != 0 {
		t.Fatal(len(steps))
	}
	for range trainer.Steps(t.Context()) {
		t.Fatal("a step after the end")
	}
}

func TestStepsGiveTheSameBitsAsRun(t *testing.T) {
	want := ok(smallTrainer(t).Run(t.Context(), 50))(t)
	var got []minimoe.StepMetrics
	for step, err := range smallTrainer(t, minimoe.WithThreads(3)).Steps(t.Context()) {
		must(t, err)
		got = append(got, step)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%+v\nexpected\n%+v", got, want)
	}
}

func TestABreakLeavesTheTrainerAtTheStepSeenAndALoopGoesOnFromThere(t *testing.T) {
	want := ok(smallTrainer(t).Run(t.Context(), 6))(t)
	trainer := smallTrainer(t)
	for step, err := range trainer.Steps(t.Context()) {
		must(t, err)
		if step.Step == 4 {
			break
		}
	}
	if step := ok(trainer.Step())(t); step != 4 {
		t.Fatal(step)
	}
	for step, err := range trainer.Steps(t.Context()) {
		must(t, err)
		if step != want[4] {
			t.Fatalf("%+v, expected %+v", step, want[4])
		}
		break
	}
}

func TestAPanicInALoopLeavesTheTrainerUsable(t *testing.T) {
	trainer := smallTrainer(t)
	func() {
		defer func() {
			if recover() == nil {
				t.Fatal("no panic")
			}
		}()
		for step := range trainer.Steps(t.Context()) {
			if step.Step == 2 {
				panic("of the program")
			}
		}
	}()
	if steps := ok(trainer.Run(t.Context(), 1))(t); steps[0].Step != 3 {
		t.Fatalf("%+v", steps[0])
	}
}

func TestACancelledContextEndsTheLoopAtThatStep(t *testing.T) {
	for _, stopAt := range []int64{1, 2, 7} {
		trainer := smallTrainer(t)
		reason := errors.New("seen enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		var last int64
		var ended error
		for step, err := range trainer.Steps(ctx) {
			if ended = err; err != nil {
				continue
			}
			if last = step.Step; last == stopAt {
				cancel(reason)
			}
		}
		for _, kind := range []error{minimoe.ErrCancelled, context.Canceled, reason} {
			wants(t, ended, kind)
		}
		if errors.Is(ended, context.DeadlineExceeded) || errors.Is(ended, minimoe.ErrBusy) {
			t.Fatal(ended)
		}
		if step := ok(trainer.Step())(t); step != stopAt || last != stopAt {
			t.Fatalf("cancelled at %d: at step %d, %d was seen last", stopAt, step, last)
		}
		want := ok(smallTrainer(t).Run(t.Context(), 10))(t)
		got := ok(trainer.Run(t.Context(), 10-int(stopAt)))(t)
		if !slices.Equal(got, want[stopAt:]) {
			t.Fatal("cancellation changed later steps")
		}
	}
}

func TestACancelFromAnotherGoroutineStopsAStepInTheMiddle(t *testing.T) {
	trainer := endlessTrainer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	done, err := trainer.Run(ctx, 5) // a step of minutes
	wants(t, err, minimoe.ErrCancelled)
	wants(t, err, context.DeadlineExceeded)
	if step := ok(trainer.Step())(t); len(done) != 0 || step != 0 {
		t.Fatalf("%d steps reported, at step %d", len(done), step)
	}
}

func TestRunReportsTheStepsBeforeAnError(t *testing.T) {
	trainer := smallTrainer(t)
	want := ok(smallTrainer(t).Run(t.Context(), 3))(t)
	ctx, cancel := context.WithCancel(t.Context())
	for step := range trainer.Steps(ctx) {
		if step.Step == 3 {
			break
		}
	}
	cancel()
	done, err := trainer.Run(ctx, 10)
	wants(t, err, context.Canceled)
	if len(done) != 0 {
		t.Fatal(len(done))
	}
	config := smallConfig(t) // a learning rate that leaves the floats after some steps
	config.Train.LearningRate, config.Train.MinLearningRate, config.Train.ClipNorm = 1000, 1000, 0
	config.Train.WarmupSteps, config.Train.Schedule, config.Train.WeightDecay = 0, "constant", 1000
	wild := ok(minimoe.NewTrainer(smallModel(t), smallDataset(t), config))(t)
	done, err = wild.Run(t.Context(), 50)
	wants(t, err, minimoe.ErrNonFinite)
	if step := ok(wild.Step())(t); len(done) == 0 || int(step) != len(done) || done[0].Loss != want[0].Loss {
		t.Fatalf("%d steps reported, at step %d", len(done), step)
	}
}

func TestAResumedTrainerGoesOnWithTheSameBits(t *testing.T) {
	file := filepath.Join(t.TempDir(), "checkpoint.safetensors")
	whole := smallTrainer(t)
	want := ok(whole.Run(t.Context(), 10))(t)
	first := smallTrainer(t)
	ok(first.Run(t.Context(), 4))(t)
	must(t, first.Save(file))
	if head := ok(minimoe.ReadCheckpoint(file))(t); head.Step != 4 || head.Config.Train.Seed != 7 {
		t.Fatalf("%+v", head)
	}
	model := ok(minimoe.LoadModel(file))(t)
	second := ok(minimoe.NewTrainer(model, smallDataset(t), ok(model.Config())(t)))(t)
	must(t, second.Resume(file))
	got := ok(second.Run(t.Context(), 6))(t)
	if !slices.Equal(got, want[4:]) {
		t.Fatalf("%+v\nexpected\n%+v", got, want[4:])
	}
	for name, view := range ok(whole.Model().StateDict())(t) {
		if !slices.Equal(view.Slice(), ok(model.Parameter(name))(t)) {
			t.Fatalf("%s differs", name)
		}
	}
}

func TestATrainerTellsOfItsRoutersAndEvaluates(t *testing.T) {
	trainer := smallTrainer(t)
	if before := ok(trainer.Routing(minimoe.RoutingStep))(t); len(before) != 0 {
		t.Fatalf("%+v", before)
	}
	pull := ok(trainer.Interference(t.Context()))(t)
	if len(pull) != 1 || pull[0].Block != 1 || pull[0].Cosine == nil || pull[0].AuxNorm <= 0 {
		t.Fatalf("%+v", pull)
	}
	_, err := trainer.Profile()
	wants(t, err, minimoe.ErrInvalidArgument)
	if err := trainer.SetProfile(true); err != nil {
		t.Fatal(err)
	}
	ok(trainer.Run(t.Context(), 2))(t)
	profile := ok(trainer.Profile())(t)
	var sum float64
	for _, operation := range profile.Operations {
		sum += operation.MS
	}
	if profile.NumSteps != 2 || profile.MS <= 0 || profile.FLOPs <= 0 || math.Abs(sum/profile.MS-1) > 1e-9 {
		t.Fatalf("%+v", profile)
	}
	routing := ok(trainer.Routing(minimoe.RoutingStep))(t)
	loads := ok(trainer.ExpertLoads(minimoe.RoutingStep, 0))(t)
	if len(routing) != 1 || !slices.Equal(routing[0].Load, loads) || routing[0].NumTokens != 48 {
		t.Fatalf("%+v, loads %v", routing, loads)
	}
	if sum := loads[0] + loads[1] + loads[2] + loads[3]; sum != 48*2 {
		t.Fatal(loads)
	}
	_, err = trainer.ExpertLoads(minimoe.RoutingEvaluation, 0)
	wants(t, err, minimoe.ErrInvalidArgument)
	evaluation := ok(trainer.Evaluate(t.Context(), "val", 3))(t)
	if evaluation.NumWindows != 3 || evaluation.NumTargets != 24 || evaluation.Loss < 1 || evaluation.Loss > 4 {
		t.Fatalf("%+v", evaluation)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = trainer.Evaluate(ctx, "val", 0)
	wants(t, err, context.Canceled)
	if ok(trainer.Config())(t).Train.Seed != 7 || trainer.Dataset() == nil {
		t.Fatal("not the run's")
	}
}
