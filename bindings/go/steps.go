// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"context"
	"iter"
	"strconv"

	"minimoe/internal/raw"
)

// StepMetrics is one optimizer step.
type StepMetrics struct {
	Step           int64   // completed steps, this one included
	Loss           float64 // main loss: mean cross entropy, nats
	AuxLoss        float64 // Switch loss, mean over MoE layers, unscaled; 1 is even; 0 without MoE layers
	ZLoss          float64 // router z-loss, mean over MoE layers, unscaled
	TotalLoss      float64 // Loss + AuxLossCoef * AuxLoss + ZLossCoef * ZLoss
	LearningRate   float64 // of this step
	GradientNorm   float64 // before clipping
	NumTokens      int64   // valid tokens of the step
	NumExtraPasses int64   // forward passes that only counted loads (AuxLossScope "global_batch")
}

func stepMetrics(m *raw.StepMetrics) StepMetrics {
	return StepMetrics{Step: m.Step, Loss: m.Loss, AuxLoss: m.AuxLoss, ZLoss: m.ZLoss, TotalLoss: m.TotalLoss,
		LearningRate: m.LearningRate, GradientNorm: m.GradientNorm, NumTokens: m.NumTokens,
		NumExtraPasses: m.NumExtraPasses}
}

// Room for metrics is made before the steps that need it, and not for a schedule that may end long before.
const maxStepsAtOnce = 256

// Run trains for at most n steps; fewer when the schedule, Train.Steps, ends, which is no error. To train on from there,
// resume a checkpoint in a trainer with larger Train.Steps.
//
// The completed steps are reported whatever the error is. After ErrCancelled (ctx ended), ErrNonFinite and
// ErrOutOfMemory the step that was broken off left no trace, and training can go on or be saved.
func (t *Trainer) Run(ctx context.Context, n int) ([]StepMetrics, error) {
	const op = "Trainer.Run"
	if n < 0 {
		return nil, refuse(op, "n is "+strconv.Itoa(n)+", expected 0 or more")
	}
	var done []StepMetrics
	err := cancellable(ctx, op, func(cancel raw.CancelToken) error {
		metrics := make([]raw.StepMetrics, min(n, maxStepsAtOnce))
		for {
			chunk := metrics[:min(n-len(done), maxStepsAtOnce)]
			completed, err := t.steps(op, cancel, chunk)
			for i := range chunk[:completed] {
				done = append(done, stepMetrics(&chunk[i]))
			}
			if err != nil || completed < len(chunk) || len(done) == n {
				return err
			}
		}
	})
	return done, err
}

// Steps trains step by step to the end of the schedule:
//
//	for step, err := range trainer.Steps(ctx) {
//		if err != nil { ... }
//	}
//
// An error, that of ctx included, ends the loop. Leaving the loop leaves the trainer exactly at the step last seen; a
// new loop goes on from there. Between steps the trainer and its model are free to be evaluated, looked at and saved.
func (t *Trainer) Steps(ctx context.Context) iter.Seq2[StepMetrics, error] {
	const op = "Trainer.Steps"
	return func(yield func(StepMetrics, error) bool) {
		token, err := cancelOn(ctx, op)
		if err != nil {
			yield(StepMetrics{}, err)
			return
		}
		defer token.end()
		metrics := make([]raw.StepMetrics, 1)
		for {
			token.look()
			completed, err := t.steps(op, token.ref, metrics)
			switch {
			case err != nil:
				yield(StepMetrics{}, becauseOf(ctx, err))
				return
			case completed == 0 || !yield(stepMetrics(&metrics[0]), nil):
				return
			}
		}
	}
}

func (t *Trainer) steps(op string, cancel raw.CancelToken, metrics []raw.StepMetrics) (int, error) {
	var completed uint64
	err := t.handle.try(op, func(ref raw.Trainer, e *raw.Error) int32 {
		return raw.TrainerSteps(ref, int64(len(metrics)), cancel, metrics, &completed, e)
	})
	return int(completed), err
}
