// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"math"
	"runtime"
	"slices"
	"testing"

	"minimoe"
)

func dot(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func near(t *testing.T, got, want, tolerance float64, what string) {
	t.Helper()
	if math.Abs(got-want) > tolerance*math.Max(1, math.Abs(want)) {
		t.Fatalf("%s is %g, expected %g", what, got, want)
	}
}

func TestALayersGradientsAreThoseOfItsOutput(t *testing.T) {
	layer := smallLayer(t)
	cache := ok(layer.NewCache(5))(t)
	x, dY := ramp(30, 0.7), ramp(30, 0.3)
	in := minimoe.LayerInput{X: x}
	y := ok(layer.Forward(cache, in))(t)
	if !slices.Equal(y, ok(layer.Infer(in))(t)) {
		t.Fatal("forward and inference differ without a capacity")
	}
	dX := ok(layer.Backward(cache, x, dY, 0))(t)
	// Along a direction, by central differences; experts stay chosen for so small a step.
	const step = 1e-2
	direction := ramp(30, 0.1)
	moved := func(sign float32) []float32 {
		z := slices.Clone(x)
		for i := range z {
			z[i] += sign * step * direction[i]
		}
		return ok(layer.Infer(minimoe.LayerInput{X: z}))(t)
	}
	near(t, dot(dX, direction), (dot(moved(1), dY)-dot(moved(-1), dY))/(2*step), 2e-3, "d_x along a direction")

	const name = "experts.w_down_proj"
	gradient, weight := ok(layer.Gradient(name))(t), ok(layer.Parameter(name))(t)
	direction = ramp(len(weight), 0.1)
	changed := func(sign float32) float64 {
		values := slices.Clone(weight)
		for i := range values {
			values[i] += sign * step * direction[i]
		}
		must(t, layer.SetParameter(name, values))
		return dot(ok(layer.Infer(in))(t), dY)
	}
	near(t, dot(gradient, direction), (changed(1)-changed(-1))/(2*step), 2e-3, "d_w along a direction")
	must(t, layer.ZeroGradients())
	if slices.Max(ok(layer.Gradient(name))(t)) != 0 {
		t.Fatal("gradients are not 0")
	}
}

func TestTwoForwardsMayPrecedeTheirBackwards(t *testing.T) {
	layer := smallLayer(t)
	a, b := ok(layer.NewCache(4))(t), ok(layer.NewCache(4))(t)
	xa, xb, dY := ramp(24, 1), ramp(24, -0.5), ramp(24, 0.25)
	apart := func() []float32 {
		must(t, layer.ZeroGradients())
		for _, x := range [][]float32{xa, xb} {
			ok(layer.Forward(a, minimoe.LayerInput{X: x}))(t)
			ok(layer.Backward(a, x, dY, 1))(t)
		}
		return ok(layer.Gradient("router.weight"))(t)
	}()
	must(t, layer.ZeroGradients())
	y, dX := make([]float32, 24), make([]float32, 24)
	must(t, layer.ForwardInto(y, a, minimoe.LayerInput{X: xa}))
	must(t, layer.ForwardInto(y, b, minimoe.LayerInput{X: xb}))
	must(t, layer.BackwardInto(dX, a, xa, dY, 1))
	must(t, layer.BackwardInto(dX, b, xb, dY, 1))
	if got := ok(layer.Gradient("router.weight"))(t); !slices.Equal(got, apart) || slices.Max(got) == 0 {
		t.Fatalf("%v, expected %v", got, apart)
	}
	_, err := layer.Backward(b, xb, dY, 1)
	wants(t, err, minimoe.ErrInvalidArgument) // its activations are used up
}

func TestACacheTellsOfItsForward(t *testing.T) {
	layer := smallLayer(t)
	cache := ok(layer.NewCache(9))(t)
	valid := []uint8{1, 1, 1, 1, 0}
	ok(layer.Forward(cache, minimoe.LayerInput{X: ramp(30, 1), Valid: valid, SeqLen: 5}))(t)
	experts, weights := ok(cache.TopKIdx())(t), ok(cache.GateWeights())(t)
	kept, load := ok(cache.Kept())(t), ok(cache.Load())(t)
	logits, probs := ok(cache.RouterLogits())(t), ok(cache.RouterProbs())(t)
	metrics := ok(cache.Metrics())(t)
	if len(experts) != 10 || len(weights) != 10 || len(kept) != 10 || len(logits) != 20 || len(probs) != 20 {
		t.Fatal(experts, weights, kept, logits, probs)
	}
	counted := make([]int64, 4)
	for i, expert := range experts[:8] {
		counted[expert]++
		best := slices.Max(logits[i/2*4 : i/2*4+4])
		if i%2 == 0 && logits[i/2*4+int(expert)] != best {
			t.Fatalf("token %d goes to %d of %v", i/2, expert, logits[i/2*4:i/2*4+4])
		}
	}
	if !slices.Equal(counted, load) || experts[8] != -1 || metrics.NumTokens != 4 || metrics.NumDropped != 0 {
		t.Fatalf("%v, load %v, %+v", experts, load, metrics)
	}
	near(t, float64(probs[0]+probs[1]+probs[2]+probs[3]), 1, 1e-6, "a row of probabilities")
	statistics := ok(minimoe.StatisticsOfLoad(load, 2))(t)
	near(t, metrics.MaxViolation, statistics.MaxViolation, 1e-12, "max_violation")
	near(t, metrics.LoadEntropy, statistics.LoadEntropy, 1e-12, "load_entropy")

	must(t, layer.UpdateBias([]int64{8, 0, 4, 4}))
	if bias := ok(layer.Parameter("expert_bias"))(t); bias[0] >= 0 || bias[1] <= 0 || bias[2] != 0 {
		t.Fatal(bias)
	}
}

func TestBoundSlicesAreUsedWhereTheyLie(t *testing.T) {
	layer, twin := smallLayer(t), smallLayer(t)
	const name = "router.weight"
	values, gradient := ok(layer.Parameter(name))(t), make([]float32, 24)
	original := slices.Clone(values)
	gradient[3] = 7
	must(t, layer.BindParameter(name, values))
	must(t, layer.BindGradient(name, gradient))
	view := ok(layer.View(name))(t)
	if &view.Slice()[0] != &values[0] {
		t.Fatal("a bound slice was copied")
	}
	values[0] += 3
	must(t, layer.ParametersChanged())
	must(t, twin.SetParameter(name, values))
	for range 3 {
		runtime.GC()
	}
	x, dY := ramp(24, 1), ramp(24, 0.5)
	for _, l := range []*minimoe.MoELayer{layer, twin} {
		cache := ok(l.NewCache(4))(t)
		ok(l.Forward(cache, minimoe.LayerInput{X: x}))(t)
		ok(l.Backward(cache, x, dY, 1))(t)
	}
	want := ok(twin.Gradient(name))(t)
	want[3] += 7
	if !slices.Equal(gradient, want) || !ok(view.Stale())(t) {
		t.Fatalf("%v, expected %v", gradient, want)
	}
	must(t, layer.ZeroGradients())
	if slices.Max(gradient) != 0 {
		t.Fatal(gradient)
	}
	wants(t, layer.BindParameter(name, values[:5]), minimoe.ErrShape) // leaves the last binding
	values[0]++
	must(t, layer.ParametersChanged())
	must(t, layer.BindParameter(name, nil))
	must(t, layer.BindGradient(name, nil))
	own := ok(layer.View(name))(t)
	if &own.Slice()[0] == &values[0] || !slices.Equal(own.Slice(), original) {
		t.Fatal("the layer's own memory has not the values that it had")
	}
	runtime.KeepAlive(own)
}

func TestALayersStateMoves(t *testing.T) {
	a, b := smallLayer(t), smallLayer(t)
	state := map[string][]float32{}
	for _, info := range ok(a.Parameters())(t) {
		state[info.Name] = ramp(info.NumValues(), 0.2)
	}
	must(t, b.LoadStateDict(state))
	for name, view := range ok(b.StateDict())(t) {
		if !slices.Equal(view.Slice(), state[name]) {
			t.Fatal(name)
		}
	}
	if config := ok(a.Config())(t); config.Model.DModel != 6 || config.Train.Seed != 3 {
		t.Fatalf("%+v", config)
	}
}
