// SPDX-License-Identifier: Apache-2.0

package main

import "minimoe/internal/raw"

func firedToken() raw.CancelToken {
	token := new(raw.CancelToken)
	err := call(func(e *raw.Error) int32 { return raw.CancelTokenCreate(token, e) })
	if err == nil {
		err = call(func(e *raw.Error) int32 { return raw.CancelTokenFire(*token, e) })
	}
	if err != nil {
		panic(err.Message)
	}
	return *token
}

func steps(trainer raw.Trainer, num int, cancel raw.CancelToken) ([]raw.StepMetrics, *failure) {
	metrics, done := make([]raw.StepMetrics, num), new(uint64)
	err := call(func(e *raw.Error) int32 { return raw.TrainerSteps(trainer, int64(num), cancel, metrics, done, e) })
	return metrics[:*done], err
}

func makeTrainer(model raw.Model, dataset raw.Dataset, config []byte) (raw.Trainer, *failure) {
	trainer := new(raw.Trainer)
	err := call(func(e *raw.Error) int32 { return raw.TrainerCreate(model, dataset, config, trainer, e) })
	return *trainer, err
}

func (r *runner) train() {
	dataset := r.makeDataset()
	if dataset == 0 {
		return
	}
	defer raw.DatasetFree(dataset)
	fitted, err := r.fitted(dataset)
	if err != nil {
		r.result["create"] = err
		return
	}
	model := r.makeModel(fitted)
	if model == 0 {
		return
	}
	defer raw.ModelFree(model)
	trainer, err := makeTrainer(model, dataset, fitted)
	if err != nil {
		r.result["create"] = err
		return
	}
	defer raw.TrainerFree(trainer)
	r.text("config", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.TrainerConfig(trainer, b, n, e) })
	if r.Resume != "" {
		if err := call(func(e *raw.Error) int32 { return raw.TrainerResume(trainer, r.Resume, e) }); err != nil {
			r.result = map[string]any{"resume": err}
			return
		}
	}
	at := func(key string) {
		step := new(int64)
		r.set(key, call(func(e *raw.Error) int32 { return raw.TrainerStep(trainer, step, e) }), func() any { return *step })
	}
	at("step_before")
	r.text("interference", func(b []byte, n *uint64, e *raw.Error) int32 {
		return raw.TrainerInterference(trainer, 0, b, n, e)
	})
	done := r.trainSteps(trainer)
	r.metrics(done)
	at("step_after")
	evaluation := new(raw.Evaluation)
	err = call(func(e *raw.Error) int32 { return raw.TrainerEvaluate(trainer, r.Split, r.MaxWindows, 0, evaluation, e) })
	r.set("evaluation.loss", err, func() any { return doublesOf(evaluation.Loss) })
	r.set("evaluation.num_targets", err, func() any { return evaluation.NumTargets })
	r.set("evaluation.num_windows", err, func() any { return evaluation.NumWindows })
	for source, name := range []string{"step", "evaluation"} {
		r.text("routing."+name, func(b []byte, n *uint64, e *raw.Error) int32 {
			return raw.TrainerRouting(trainer, int32(source), b, n, e)
		})
		integers(r, "loads."+name, func(out []int64, n *uint64, e *raw.Error) int32 {
			return raw.TrainerExpertLoads(trainer, int32(source), 0, out, n, e)
		})
	}
	r.text("health", func(b []byte, n *uint64, e *raw.Error) int32 {
		return raw.TrainerHealth(trainer, []byte(r.Health), b, n, e)
	})
	r.readParameters(model)
	err = call(func(e *raw.Error) int32 { return raw.TrainerSave(trainer, r.Path, e) })
	r.set("checkpoint", err, func() any { return fileHash(r.Path) })
	r.text("checkpoint_info", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.CheckpointInfo(r.Path, b, n, e) })
}

func (r *runner) trainSteps(trainer raw.Trainer) []raw.StepMetrics {
	left := r.Steps
	var done []raw.StepMetrics
	run := func(num int) {
		metrics, err := steps(trainer, num, 0)
		if done = append(done, metrics...); err != nil {
			r.result["steps"] = err
		}
	}
	if r.CancelAfter >= 0 {
		run(r.CancelAfter)
		left -= r.CancelAfter
		token := firedToken()
		completed, err := steps(trainer, 3, token)
		raw.CancelTokenFree(token)
		r.set("cancelled", err, func() any { return nil })
		r.result["cancelled_steps"] = len(completed)
		done = append(done, completed...)
	}
	run(left)
	return done
}

func (r *runner) metrics(done []raw.StepMetrics) {
	whole := func(key string, of func(m *raw.StepMetrics) int64) {
		values := make([]int64, len(done))
		for i := range done {
			values[i] = of(&done[i])
		}
		r.result["metrics."+key] = values
	}
	double := func(key string, of func(m *raw.StepMetrics) float64) {
		values := make([]float64, len(done))
		for i := range done {
			values[i] = of(&done[i])
		}
		r.result["metrics."+key] = doublesOf(values...)
	}
	whole("step", func(m *raw.StepMetrics) int64 { return m.Step })
	whole("num_tokens", func(m *raw.StepMetrics) int64 { return m.NumTokens })
	whole("num_extra_passes", func(m *raw.StepMetrics) int64 { return m.NumExtraPasses })
	double("loss", func(m *raw.StepMetrics) float64 { return m.Loss })
	double("aux_loss", func(m *raw.StepMetrics) float64 { return m.AuxLoss })
	double("z_loss", func(m *raw.StepMetrics) float64 { return m.ZLoss })
	double("total_loss", func(m *raw.StepMetrics) float64 { return m.TotalLoss })
	double("learning_rate", func(m *raw.StepMetrics) float64 { return m.LearningRate })
	double("gradient_norm", func(m *raw.StepMetrics) float64 { return m.GradientNorm })
}
