// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"minimoe"
)

const routerWeight = "blocks.1.moe.router.weight"

func TestForwardGivesLogitsOfEveryPosition(t *testing.T) {
	model := smallModel(t)
	batch := minimoe.Batch{Tokens: smallTokens(16), SeqLen: 8}
	logits := ok(model.Forward(batch))(t)
	if len(logits) != 16*13 {
		t.Fatal(len(logits))
	}
	into := make([]float32, 16*13+5)
	if n := ok(model.ForwardInto(into, batch))(t); n != 16*13 || !slices.Equal(into[:n], logits) {
		t.Fatal(n)
	}
	alone := ok(model.Forward(minimoe.Batch{Tokens: batch.Tokens[8:], SeqLen: 8}))(t)
	if !slices.Equal(alone, logits[8*13:]) {
		t.Fatal("a sequence depends on its neighbour")
	}
	batch.Valid = []uint8{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0}
	masked := ok(model.Forward(batch))(t)
	batch.Tokens[13] = 5
	if again := ok(model.Forward(batch))(t); !slices.Equal(masked[:12*13], again[:12*13]) {
		t.Fatal("padding changes logits")
	}
	if none := ok(model.Forward(minimoe.Batch{SeqLen: 8}))(t); len(none) != 0 {
		t.Fatal(len(none))
	}
}

func TestGenerateIsDecidedByItsOptions(t *testing.T) {
	model := smallModel(t)
	prompt := []int32{1, 2, 3}
	greedy := minimoe.GenerateOptions{MaxNewTokens: minimoe.Ptr(12), Temperature: minimoe.Ptr(0.0)}
	first := ok(model.Generate(t.Context(), prompt, greedy))(t)
	logits := ok(model.Forward(minimoe.Batch{Tokens: prompt, SeqLen: 3}))(t)[2*13:]
	if len(first) != 12 || logits[first[0]] != slices.Max(logits) {
		t.Fatal(first)
	}
	if background := ok(model.Generate(context.Background(), prompt, greedy))(t); !slices.Equal(first, background) {
		t.Fatal(background)
	}
	if all := ok(model.Generate(t.Context(), prompt, minimoe.GenerateOptions{}))(t); len(all) != 64 {
		t.Fatal(len(all))
	}
	seeds := map[string]bool{}
	for seed := range uint64(4) {
		ids := ok(model.Generate(t.Context(), prompt, minimoe.GenerateOptions{Seed: seed, MaxNewTokens: minimoe.Ptr(20)}))(t)
		seeds[string(slices.Collect(func(yield func(rune) bool) {
			for _, id := range ids {
				yield(id)
			}
		}))] = true
	}
	if len(seeds) < 3 {
		t.Fatal("the seed changes nothing")
	}
	greedy.StopToken = &first[0]
	if stopped := ok(model.Generate(t.Context(), prompt, greedy))(t); !slices.Equal(stopped, first[:1]) {
		t.Fatal(stopped)
	}
}

func TestAStreamGivesTheTokensOfGenerate(t *testing.T) {
	model := smallModel(t)
	prompt := []int32{1, 2, 3}
	opts := minimoe.GenerateOptions{MaxNewTokens: minimoe.Ptr(20), TopP: minimoe.Ptr(0.9), Seed: 5, WhenFull: "slide"}
	expected := ok(model.Generate(t.Context(), prompt, opts))(t)
	stream := ok(model.Stream(prompt, opts))(t)
	var found []int32
	for range 2 { // a loop goes on where the last one was left
		for token, err := range stream.Tokens(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if found = append(found, token); len(found) == 7 {
				break
			}
		}
	}
	if !slices.Equal(found, expected) {
		t.Fatal(found, expected)
	}
	info := ok(stream.Info())(t)
	if info.NumTokens != 23 || info.End != "max_new_tokens" || info.MemoryBytes <= 0 || len(ok(stream.Logits())(t)) != 13 {
		t.Fatal(info)
	}
	if drawn := ok(stream.Drawn())(t); !slices.Equal(drawn, expected) {
		t.Fatal(drawn, expected)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range stream.Tokens(ended) {
		t.Fatal("a text that has ended gives nothing more")
	}
	var failures []error
	for _, err := range ok(model.Stream(prompt, opts))(t).Tokens(ended) {
		failures = append(failures, err)
	}
	if len(failures) != 1 || !errors.Is(failures[0], context.Canceled) {
		t.Fatal(failures)
	}
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Drawn(); !errors.Is(err, minimoe.ErrClosed) {
		t.Fatal(err)
	}
}

func TestParametersAreReadWrittenAndSeen(t *testing.T) {
	model := smallModel(t)
	list := ok(model.Parameters())(t)
	var total int
	var found bool
	for _, info := range list {
		if info.Role == "weight" {
			total += info.NumValues()
		}
		if info.Name == routerWeight {
			found = slices.Equal(info.Shape, []int{4, 8}) && info.Decay
		}
	}
	if want := ok(model.Info())(t).TotalParameters; int64(total) != want || !found {
		t.Fatalf("%d of %d parameters, %+v", total, want, list)
	}
	view := ok(model.View(routerWeight))(t)
	values := ok(model.Parameter(routerWeight))(t)
	if view.Name() != routerWeight || !slices.Equal(view.Shape(), []int{4, 8}) || !slices.Equal(view.Slice(), values) {
		t.Fatalf("%v %v", view.Shape(), view.Slice())
	}
	if ok(view.Stale())(t) {
		t.Fatal("stale at once")
	}
	before := ok(model.Generation())(t)
	values[5] = 42
	must(t, model.SetParameter(routerWeight, values))
	copied := make([]float32, 6)
	if view.At(5) != 42 || view.Len() != 32 || view.CopyTo(copied) != 6 || copied[5] != 42 {
		t.Fatal("a view does not show a change")
	}
	if !ok(view.Stale())(t) || ok(model.Generation())(t) <= before {
		t.Fatal("nothing says that values have changed")
	}
	var seen int
	for i, value := range view.All() {
		if value != values[i] {
			t.Fatal(i)
		}
		if seen++; i == 9 {
			break
		}
	}
	if seen != 10 {
		t.Fatal(seen)
	}
}

func TestAViewOutlivesItsModel(t *testing.T) {
	model := smallModel(t)
	values := ok(model.Parameter(routerWeight))(t)
	view := ok(model.View(routerWeight))(t)
	must(t, model.Close())
	_, err := model.View(routerWeight)
	wants(t, err, minimoe.ErrClosed)
	model = nil
	for range 3 {
		runtime.GC()
	}
	if !slices.Equal(view.Slice(), values) || ok(view.Stale())(t) {
		t.Fatal("the view's memory is not its model's any more")
	}
	runtime.KeepAlive(view)
}

func TestAStateDictMovesBetweenModelsAndFiles(t *testing.T) {
	trained := smallTrainer(t)
	ok(trained.Run(t.Context(), 3))(t)
	state := map[string][]float32{}
	for name, view := range ok(trained.Model().StateDict())(t) {
		state[name] = make([]float32, view.Len())
		view.CopyTo(state[name])
	}
	batch := minimoe.Batch{Tokens: smallTokens(8), SeqLen: 8}
	want := ok(trained.Model().Forward(batch))(t)
	fresh := smallModel(t)
	if slices.Equal(ok(fresh.Forward(batch))(t), want) {
		t.Fatal("training changed nothing")
	}
	must(t, fresh.LoadStateDict(state))
	file := filepath.Join(t.TempDir(), "model.safetensors")
	must(t, fresh.Save(file))
	loaded := ok(minimoe.LoadModel(file, minimoe.WithThreads(2)))(t)
	third := smallModel(t)
	must(t, third.LoadWeights(file))
	llama := ok(minimoe.NewModel(ok(minimoe.ParseConfig([]byte(`{"model": {"preset": "llama", "vocab_size": 16}}`)))(t)))(t)
	directory := filepath.Join(t.TempDir(), "hf")
	must(t, llama.Export(directory, minimoe.ExportOptions{}))
	if got := ok(ok(minimoe.ImportModel(directory))(t).Forward(batch))(t); !slices.Equal(got, ok(llama.Forward(batch))(t)) {
		t.Fatal("another model came back")
	}
	seed := uint64(3)
	moe := ok(llama.Upcycle(minimoe.UpcycleOptions{NumExperts: 4, Layers: []int{1}, Seed: &seed}))(t)
	for i, want := range ok(llama.Forward(batch))(t) {
		if got := ok(moe.Forward(batch))(t)[i]; math.Abs(float64(got-want)) > 1e-5 {
			t.Fatalf("logit %d is %v upcycled, %v dense", i, got, want)
		}
	}
	if _, err := moe.Upcycle(minimoe.UpcycleOptions{}); !errors.Is(err, minimoe.ErrInvalidArgument) {
		t.Fatal(err)
	}
	must(t, llama.WriteLogits(batch.Tokens, batch.SeqLen, filepath.Join(directory, "logits.safetensors"),
		minimoe.LogitsOptions{Router: true, Gradients: true}))
	if _, err := ok(minimoe.OpenDataset(ok(minimoe.Preset("lab"))(t)))(t).Tokenizer(); err != nil {
		t.Fatal(err)
	}
	for _, model := range []*minimoe.Model{fresh, loaded, third} {
		if got := ok(model.Forward(batch))(t); !slices.Equal(got, want) {
			t.Fatal("other logits")
		}
	}
	if ok(loaded.Config())(t).Model.DModel != 8 || ok(loaded.Info())(t).NumThreads != 2 {
		t.Fatal("another model")
	}
}

func TestATraceSaysWhereEveryTokenGoes(t *testing.T) {
	model := smallModel(t)
	batch := minimoe.Batch{Tokens: smallTokens(16), SeqLen: 8, Valid: slices.Repeat([]uint8{1}, 16)}
	batch.Valid[15] = 0
	trace := ok(model.RoutingTrace(batch))(t)
	if len(trace.Experts) != 16*2 || len(trace.Weights) != 32 || len(trace.Kept) != 32 || trace.Experts[31] != -1 {
		t.Fatalf("%+v", trace)
	}
	for token := range 15 {
		a, b := trace.Experts[2*token], trace.Experts[2*token+1]
		sum := trace.Weights[2*token] + trace.Weights[2*token+1]
		if a == b || a < 0 || a > 3 || math.Abs(float64(sum)-1) > 1e-5 || trace.Kept[2*token] != 1 {
			t.Fatalf("token %d: %d %d, weights sum to %g", token, a, b, sum)
		}
	}
	config := smallConfig(t)
	config.Model.MoE.Layers = nil
	dense := ok(minimoe.NewModel(config))(t)
	if nothing := ok(dense.RoutingTrace(batch))(t); len(nothing.Experts)+len(nothing.Weights)+len(nothing.Kept) != 0 {
		t.Fatalf("%+v", nothing)
	}
}
