// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"errors"
	"testing"

	"minimoe"
)

// The smallest run that has everything: a dataset in memory, an MoE model, a trainer, three micro-batches a step.
const smallRun = `{"model": {"vocab_size": 13, "d_model": 8, "num_heads": 2, "max_seq_len": 8, "num_layers": 2, "d_ff": 16,
	"moe": {"layers": [1], "num_experts": 4, "top_k": 2, "d_expert": 16, "bias_balancing": true}},
	"train": {"batch_size": 2, "seq_len": 8, "accumulation_steps": 3, "steps": 50, "warmup_steps": 2, "seed": 7}}`

func ok[T any](value T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wants fails unless err is of this kind.
func wants(t testing.TB, err error, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, expected %v", err, kind)
	}
}

func smallConfig(t testing.TB) minimoe.Config {
	t.Helper()
	return ok(minimoe.ParseConfig([]byte(smallRun)))(t)
}

func smallTokens(num int) []int32 {
	tokens := make([]int32, num)
	for i := range tokens {
		tokens[i] = int32(i * i % 13)
	}
	return tokens
}

func smallDataset(t testing.TB, opts ...minimoe.Option) *minimoe.Dataset {
	t.Helper()
	d := ok(minimoe.NewDataset(minimoe.MemoryConfig{VocabSize: 13, ValFraction: minimoe.Ptr(0.25)}, opts...))(t)
	must(t, d.Append(smallTokens(200), nil))
	return d
}

func smallModel(t testing.TB, opts ...minimoe.Option) *minimoe.Model {
	t.Helper()
	return ok(minimoe.NewModel(smallConfig(t), append([]minimoe.Option{minimoe.WithThreads(1)}, opts...)...))(t)
}

func smallTrainer(t testing.TB, opts ...minimoe.Option) *minimoe.Trainer {
	t.Helper()
	return ok(minimoe.NewTrainer(smallModel(t, opts...), smallDataset(t, opts...), smallConfig(t)))(t)
}

// endlessTrainer needs minutes for a step.
func endlessTrainer(t testing.TB) *minimoe.Trainer {
	t.Helper()
	config := smallConfig(t)
	config.Train.AccumulationSteps, config.Train.BatchSize = 60000, 64
	return ok(minimoe.NewTrainer(smallModel(t), smallDataset(t), config))(t)
}

// D = 6, which the default number of heads does not divide and a layer does not mind; E = 4, K = 2, F = 5.
func layerConfig(t testing.TB) minimoe.Config {
	t.Helper()
	config := ok(minimoe.DefaultConfig())(t)
	config.Model.DModel, config.Model.MoE.DExpert, config.Train.Seed = 6, 5, 3
	return config
}

func smallLayer(t testing.TB, opts ...minimoe.Option) *minimoe.MoELayer {
	t.Helper()
	return ok(minimoe.NewMoELayer(layerConfig(t), append([]minimoe.Option{minimoe.WithThreads(1)}, opts...)...))(t)
}

// ramp is values that no symmetry of a layer hides.
func ramp(num int, scale float32) []float32 {
	values := make([]float32, num)
	for i := range values {
		values[i] = scale * (float32(i*7919%101)/50 - 1)
	}
	return values
}
