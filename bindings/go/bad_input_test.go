// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"minimoe"
)

// world is an object of each kind, to be misused.
type world struct {
	config  minimoe.Config
	dataset *minimoe.Dataset // 13 tokens, no classes
	classed *minimoe.Dataset // 3 tokens, 2 classes
	grammar *minimoe.Dataset
	model   *minimoe.Model
	dense   *minimoe.Model
	trainer *minimoe.Trainer
	layer   *minimoe.MoELayer // D = 6, E = 4, K = 2
	other   *minimoe.MoELayer
	cache   *minimoe.MoECache // of layer
	dir     string
}

func newWorld(t *testing.T) *world {
	w := &world{config: smallConfig(t), dataset: smallDataset(t), model: smallModel(t), trainer: smallTrainer(t),
		layer: smallLayer(t), other: smallLayer(t), dir: t.TempDir()}
	w.classed = ok(minimoe.NewDataset(minimoe.MemoryConfig{VocabSize: 3, ClassNames: []string{"a", "b"}}))(t)
	grammar := w.config
	grammar.Data.NumEvalSentences = 20
	w.grammar = ok(minimoe.OpenDataset(grammar))(t)
	dense := w.config
	dense.Model.MoE.Layers = nil
	w.dense = ok(minimoe.NewModel(dense))(t)
	w.cache = ok(w.layer.NewCache(4))(t)
	must(t, os.WriteFile(w.path("garbage"), []byte("no safetensors at all"), 0o600))
	must(t, w.model.Save(w.path("model")))
	must(t, w.trainer.Save(w.path("checkpoint")))
	whole := ok(os.ReadFile(w.path("checkpoint")))(t)
	must(t, os.WriteFile(w.path("cut"), whole[:len(whole)-100], 0o600))
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// with is the configuration with one change.
func (w *world) with(change func(*minimoe.Config)) minimoe.Config {
	config := w.config
	change(&config)
	return config
}

func second[T any](_ T, err error) error { return err }

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestBadInputIsAnErrorThatNamesIt(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	x := ramp(4*6, 1)
	broken := slices.Clone(x)
	broken[7] = nan
	closedModel, closedLayer, closedDataset := smallModel(t), smallLayer(t), smallDataset(t)
	closedCache := ok(closedLayer.NewCache(2))(t)
	closedTrainer := ok(minimoe.NewTrainer(smallModel(t), smallDataset(t), w.config))(t)
	for _, c := range []io.Closer{closedModel, closedLayer, closedDataset, closedCache, closedTrainer} {
		must(t, c.Close())
	}
	forwarded := ok(w.layer.NewCache(4))(t)
	ok(w.layer.Forward(forwarded, minimoe.LayerInput{X: x}))(t)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	state := map[string][]float32{}
	for name, view := range ok(w.model.StateDict())(t) {
		state[name] = slices.Clone(view.Slice())
	}
	stateWith := func(change func(map[string][]float32)) map[string][]float32 {
		changed := map[string][]float32{}
		for name, values := range state {
			changed[name] = slices.Clone(values)
			changed[name][0]++ // which must not be loaded
		}
		change(changed)
		return changed
	}
	const router = "blocks.1.moe.router.weight"

	for _, test := range []struct {
		name string
		err  error
		kind error
		says string
	}{
		{"preset that is none", second(minimoe.Preset("labb")), minimoe.ErrInvalidArgument, "labb"},
		{"preset with a NUL", second(minimoe.Preset("lab\x00x")), minimoe.ErrInvalidArgument, "NUL"},
		{"JSON that is none", second(minimoe.ParseConfig([]byte("{"))), minimoe.ErrInvalidArgument, ""},
		{"JSON that is a list", second(minimoe.ParseConfig([]byte("[1]"))), minimoe.ErrInvalidArgument, ""},
		{"JSON with a NUL", second(minimoe.ParseConfig([]byte("{}\x00"))), minimoe.ErrInvalidArgument, "NUL"},
		{"JSON that is not UTF-8", second(minimoe.ParseConfig([]byte("{\"\xff\": 1}"))), minimoe.ErrInvalidArgument, ""},
		{"unknown key", second(minimoe.ParseConfig([]byte(`{"model": {"moe": {"top_kk": 2}}}`))), minimoe.ErrInvalidArgument, "top_k?"},
		{"key twice", second(minimoe.ParseConfig([]byte(`{"train": {"seed": 1, "seed": 2}}`))), minimoe.ErrInvalidArgument, "train.seed"},
		{"wrong type", second(minimoe.ParseConfig([]byte(`{"train": {"steps": "ten"}}`))), minimoe.ErrInvalidArgument, "train.steps"},
		{"deep JSON", second(minimoe.ParseConfig([]byte(strings.Repeat("[", 100)))), minimoe.ErrInvalidArgument, "32"},
		{"long JSON", second(minimoe.ParseConfig(slices.Repeat([]byte(" "), 1<<20+1))), minimoe.ErrInvalidArgument, ""},
		{"zero Config", minimoe.Config{}.Check(), minimoe.ErrInvalidArgument, "model.d_model"},
		{"field out of range", w.with(func(c *minimoe.Config) { c.Train.BatchSize = 0 }).Check(), minimoe.ErrInvalidArgument, "train.batch_size"},
		{"negative field", w.with(func(c *minimoe.Config) { c.Model.MoE.TopK = -1 }).Check(), minimoe.ErrInvalidArgument, "top_k"},
		{"NaN in a Config", w.with(func(c *minimoe.Config) { c.Train.LearningRate = math.NaN() }).Check(), minimoe.ErrInvalidArgument, "NaN"},
		{"name that is none", w.with(func(c *minimoe.Config) { c.Model.FFN = "relu" }).Check(), minimoe.ErrInvalidArgument, "model.ffn"},
		{"fields that do not fit", w.with(func(c *minimoe.Config) { c.Model.NumHeads = 3 }).Check(), minimoe.ErrInvalidArgument, "num_heads"},
		{"cost without a vocabulary", second(w.with(func(c *minimoe.Config) { c.Model.VocabSize = 0 }).Cost()), minimoe.ErrInvalidArgument, "vocab_size"},
		{"threads below 0", second(minimoe.NewModel(w.config, minimoe.WithThreads(-1))), minimoe.ErrInvalidArgument, "-1"},
		{"threads past int32", second(minimoe.NewModel(w.config, minimoe.WithThreads(1<<32+1))), minimoe.ErrInvalidArgument, "4294967297"},
		{"instruction set that is none", second(minimoe.NewModel(w.config, minimoe.WithInstructionSet(9))), minimoe.ErrInvalidArgument, "instruction_set"},
		{"backend that is not built", second(minimoe.NewModel(w.config, minimoe.WithMatmulBackend(minimoe.MatmulBLAS))), minimoe.ErrUnsupported, ""},
		{"nil logger", second(minimoe.NewModel(w.config, minimoe.WithLogger(nil))), minimoe.ErrInvalidArgument, "logger"},
		{"nil option", second(minimoe.NewModel(w.config, nil)), minimoe.ErrInvalidArgument, "Option"},

		{"corpus that is not there", second(minimoe.OpenDataset(w.with(func(c *minimoe.Config) { c.Data.Corpus = w.path("none") }))), minimoe.ErrIO, "none"},
		{"corpus that is a directory", second(minimoe.OpenDataset(w.with(func(c *minimoe.Config) { c.Data.Corpus = w.dir }))), minimoe.ErrIO, ""},
		{"dataset without a vocabulary", second(minimoe.NewDataset(minimoe.MemoryConfig{})), minimoe.ErrInvalidArgument, "vocab_size"},
		{"share above a half", second(minimoe.NewDataset(minimoe.MemoryConfig{VocabSize: 3, ValFraction: minimoe.Ptr(0.7)})), minimoe.ErrInvalidArgument, "val_fraction"},
		{"token past the vocabulary", w.dataset.Append([]int32{1, 13}, nil), minimoe.ErrInvalidArgument, "13"},
		{"negative token", w.dataset.Append([]int32{-1}, nil), minimoe.ErrInvalidArgument, "-1"},
		{"narrow token past the vocabulary", w.dataset.AppendUint16([]uint16{65535}, nil), minimoe.ErrInvalidArgument, "65535"},
		{"classes without names", w.dataset.Append([]int32{1}, []uint8{0}), minimoe.ErrShape, "class"},
		{"no classes with names", w.classed.Append([]int32{1}, nil), minimoe.ErrShape, "class"},
		{"fewer classes than tokens", w.classed.Append([]int32{1, 2}, []uint8{0}), minimoe.ErrShape, ""},
		{"class that is none", w.classed.Append([]int32{1}, []uint8{2}), minimoe.ErrInvalidArgument, "2"},
		{"append to a corpus", w.grammar.Append([]int32{1}, nil), minimoe.ErrUnsupported, ""},
		{"borrowed token past the vocabulary", second(minimoe.BorrowDataset(minimoe.MemoryConfig{VocabSize: 2}, []int32{2}, nil)), minimoe.ErrInvalidArgument, "2"},
		{"nil reader", second(w.dataset.ReadText(nil)), minimoe.ErrInvalidArgument, "reader"},
		{"reader that fails", second(w.dataset.ReadText(failingReader{})), io.ErrClosedPipe, "ReadText"},
		{"text past the vocabulary", second(w.dataset.ReadText(strings.NewReader("A"))), minimoe.ErrInvalidArgument, "65"},
		{"half a token", second(w.dataset.ReadUint16(strings.NewReader("\x01\x00\x02"))), io.ErrUnexpectedEOF, "half"},
		{"text that is no ids", second(w.dataset.Encode("1 two")), minimoe.ErrInvalidArgument, ""},
		{"decoding what is no token", second(w.dataset.Decode([]int32{99})), minimoe.ErrInvalidArgument, "99"},
		{"split that is none", second(w.dataset.Window("vall", 0, 0, 8)), minimoe.ErrInvalidArgument, "vall"},
		{"split with a NUL", second(w.dataset.NumWindows("val\x00", 8)), minimoe.ErrInvalidArgument, "split"},
		{"window past the end", second(w.dataset.Window("val", 0, 1_000_000, 8)), minimoe.ErrInvalidArgument, "1000000"},
		{"window of negative length", second(w.dataset.Window("val", 0, 0, -8)), minimoe.ErrInvalidArgument, "seqLen"},
		{"window of endless length", second(w.dataset.Window("val", 0, 0, math.MaxInt)), minimoe.ErrInvalidArgument, "seqLen"},
		{"window of length 0", second(w.dataset.Window("val", 0, 0, 0)), minimoe.ErrInvalidArgument, "seq_len"},
		{"sentence of tokens", second(w.dataset.Sentence("val", 0, 0)), minimoe.ErrUnsupported, ""},
		{"floor of tokens", second(w.dataset.EntropyFloor("val", 8, 0)), minimoe.ErrUnsupported, ""},
		{"floor of endless training", second(w.grammar.EntropyFloor("train", 8, 0)), minimoe.ErrInvalidArgument, ""},
		{"more tokens than the model has", second(w.grammar.Fit(w.config)), minimoe.ErrInvalidArgument, "vocab_size"},

		{"model without a vocabulary", second(minimoe.NewModel(w.with(func(c *minimoe.Config) { c.Model.VocabSize = 0 }))), minimoe.ErrInvalidArgument, "vocab_size"},
		{"model that is not there", second(minimoe.LoadModel(w.path("none"))), minimoe.ErrIO, "none"},
		{"model that is a text", second(minimoe.LoadModel(w.path("garbage"))), minimoe.ErrCorruptFile, "garbage"},
		{"path with a NUL", second(minimoe.LoadModel("a\x00b")), minimoe.ErrInvalidArgument, "path"},
		{"token the model lacks", second(w.model.Forward(minimoe.Batch{Tokens: []int32{13}, SeqLen: 1})), minimoe.ErrInvalidArgument, "13"},
		{"sequences that are not whole", second(w.model.Forward(minimoe.Batch{Tokens: make([]int32, 7), SeqLen: 2})), minimoe.ErrShape, "7"},
		{"sequence that is too long", second(w.model.Forward(minimoe.Batch{Tokens: make([]int32, 9), SeqLen: 9})), minimoe.ErrInvalidArgument, "9"},
		{"negative sequence length", second(w.model.Forward(minimoe.Batch{Tokens: []int32{1}, SeqLen: -1})), minimoe.ErrInvalidArgument, "SeqLen"},
		{"mask of another length", second(w.model.Forward(minimoe.Batch{Tokens: []int32{1, 2}, SeqLen: 2, Valid: []uint8{1}})), minimoe.ErrShape, "valid"},
		{"logits that do not fit", second(w.model.ForwardInto(make([]float32, 12), minimoe.Batch{Tokens: []int32{1}, SeqLen: 1})), minimoe.ErrBufferTooSmall, "13"},
		{"empty prompt", second(w.model.Generate(ctx, nil, minimoe.GenerateOptions{})), minimoe.ErrInvalidArgument, "prompt"},
		{"negative temperature", second(w.model.Generate(ctx, []int32{1}, minimoe.GenerateOptions{Temperature: minimoe.Ptr(-1.0)})), minimoe.ErrInvalidArgument, "temperature"},
		{"temperature that is no number", second(w.model.Generate(ctx, []int32{1}, minimoe.GenerateOptions{Temperature: minimoe.Ptr(math.NaN())})), minimoe.ErrInvalidArgument, "NaN"},
		{"generation after the context's end", second(w.model.Generate(cancelled, []int32{1}, minimoe.GenerateOptions{})), context.Canceled, ""},
		{"parameter that is none", second(w.model.View("blocks.9")), minimoe.ErrInvalidArgument, "blocks.9"},
		{"too few values", w.model.SetParameter(router, []float32{1}), minimoe.ErrShape, "1"},
		{"value that is no number", w.model.SetParameter(router, slices.Repeat([]float32{nan}, 32)), minimoe.ErrInvalidArgument, "data[0]"},
		{"state with a hole", w.model.LoadStateDict(stateWith(func(s map[string][]float32) { delete(s, router) })), minimoe.ErrInvalidArgument, router},
		{"state with too much", w.model.LoadStateDict(stateWith(func(s map[string][]float32) { s["extra"] = nil })), minimoe.ErrInvalidArgument, "extra"},
		{"state of another shape", w.model.LoadStateDict(stateWith(func(s map[string][]float32) { s[router] = s[router][1:] })), minimoe.ErrShape, router},
		{"state with an infinity", w.model.LoadStateDict(stateWith(func(s map[string][]float32) { s[router][3] = inf })), minimoe.ErrInvalidArgument, router},
		{"save into nowhere", w.model.Save(w.path("none/model")), minimoe.ErrIO, "none"},
		{"weights of another model", w.dense.LoadWeights(w.path("model")), minimoe.ErrShape, ""},
		{"trace of a wrong shape", second(w.model.RoutingTrace(minimoe.Batch{Tokens: make([]int32, 7), SeqLen: 2})), minimoe.ErrShape, "7"},
		{"specialisation of a dense model", second(w.dense.Specialisation(ctx, w.dataset, "val", minimoe.SpecialisationOptions{})), minimoe.ErrInvalidArgument, ""},
		{"specialisation without a dataset", second(w.model.Specialisation(ctx, nil, "val", minimoe.SpecialisationOptions{})), minimoe.ErrInvalidArgument, "dataset"},
		{"capacity of training", second(w.model.CapacityReport(ctx, w.dataset, "train", minimoe.CapacityOptions{})), minimoe.ErrInvalidArgument, "train"},
		{"probes below 0", second(w.model.AnswerProbes(ctx, w.grammar, "val", -1)), minimoe.ErrInvalidArgument, "maxCount"},

		{"trainer without a model", second(minimoe.NewTrainer(nil, w.dataset, w.config)), minimoe.ErrInvalidArgument, "model"},
		{"trainer without a dataset", second(minimoe.NewTrainer(w.model, nil, w.config)), minimoe.ErrInvalidArgument, "dataset"},
		{"trainer with another model's config", second(minimoe.NewTrainer(w.model, w.dataset, w.with(func(c *minimoe.Config) { c.Model.DFF = 8 }))), minimoe.ErrInvalidArgument, "configuration"},
		{"second trainer of a model", second(minimoe.NewTrainer(w.trainer.Model(), w.dataset, w.config)), minimoe.ErrBusy, ""},
		{"steps below 0", second(w.trainer.Run(ctx, -1)), minimoe.ErrInvalidArgument, "-1"},
		{"evaluation of a split without windows", second(w.trainer.Evaluate(ctx, "held-out-verbs", 0)), minimoe.ErrInvalidArgument, "held-out-verbs"},
		{"loads of no layer", second(w.trainer.ExpertLoads(minimoe.RoutingStep, 1)), minimoe.ErrInvalidArgument, "1"},
		{"loads of layer -1", second(w.trainer.ExpertLoads(minimoe.RoutingStep, -1)), minimoe.ErrInvalidArgument, "layer"},
		{"loads of no source", second(w.trainer.ExpertLoads(2, 0)), minimoe.ErrInvalidArgument, "source"},
		{"health before a step", second(w.trainer.Health(minimoe.HealthOptions{})), minimoe.ErrInvalidArgument, ""},
		{"resume from a model", w.trainer.Resume(w.path("model")), minimoe.ErrCorruptFile, "model"},
		{"resume from a cut file", w.trainer.Resume(w.path("cut")), minimoe.ErrCorruptFile, "cut"},
		{"head of a text", second(minimoe.ReadCheckpoint(w.path("garbage"))), minimoe.ErrCorruptFile, "garbage"},
		{"health of nothing", second(minimoe.CheckHealth(nil, minimoe.HealthOptions{})), minimoe.ErrInvalidArgument, "log"},
		{"health of a line that is no JSON", second(minimoe.CheckHealth(strings.NewReader("{}\nx\n"), minimoe.HealthOptions{})), minimoe.ErrInvalidArgument, "line"},
		{"health from a reader that fails", second(minimoe.CheckHealth(failingReader{}, minimoe.HealthOptions{})), io.ErrClosedPipe, ""},
		{"health with a window of 0", second(minimoe.CheckHealth(strings.NewReader(`{"step":1,"layer":0,"top_k":1,"load":[1,1]}`), minimoe.HealthOptions{Window: minimoe.Ptr(0)})), minimoe.ErrInvalidArgument, "window"},
		{"no loads", second(minimoe.StatisticsOfLoad(nil, 1)), minimoe.ErrInvalidArgument, "num_load"},
		{"negative load", second(minimoe.StatisticsOfLoad([]int64{1, -1}, 1)), minimoe.ErrInvalidArgument, "-1"},
		{"more choices than experts", second(minimoe.StatisticsOfLoad([]int64{1, 1}, 3)), minimoe.ErrInvalidArgument, "top_k"},
		{"comparison of seeds that differ", second(minimoe.Comparison{MoEVariant: minimoe.VariantFigures{ValLoss: []float64{1, 2}}}.Judge()), minimoe.ErrInvalidArgument, ""},
		{"findings of a text", second(minimoe.Findings([]byte("no manifest"))), minimoe.ErrInvalidArgument, ""},

		{"layer whose K is above its E", second(minimoe.NewMoELayer(w.with(func(c *minimoe.Config) { c.Model.MoE.TopK = 5 }))), minimoe.ErrInvalidArgument, "top_k"},
		{"cache of no tokens", second(w.layer.NewCache(0)), minimoe.ErrInvalidArgument, "max_tokens"},
		{"cache of -1 tokens", second(w.layer.NewCache(-1)), minimoe.ErrInvalidArgument, "maxTokens"},
		{"cache of too many tokens", second(w.layer.NewCache(1 << 40)), minimoe.ErrInvalidArgument, "max_tokens"},
		{"rows that are not whole", second(w.layer.Infer(minimoe.LayerInput{X: x[:7]})), minimoe.ErrShape, "7"},
		{"output that is too short", w.layer.InferInto(make([]float32, 23), minimoe.LayerInput{X: x}), minimoe.ErrBufferTooSmall, "24"},
		{"output over the input", w.layer.InferInto(x, minimoe.LayerInput{X: x}), minimoe.ErrInvalidArgument, "overlap"},
		{"layer's mask of another length", second(w.layer.Infer(minimoe.LayerInput{X: x, Valid: []uint8{1}})), minimoe.ErrShape, "valid"},
		{"forward without a cache", second(w.layer.Forward(nil, minimoe.LayerInput{X: x})), minimoe.ErrInvalidArgument, "cache"},
		{"forward into another layer's cache", second(w.other.Forward(w.cache, minimoe.LayerInput{X: x})), minimoe.ErrInvalidArgument, "cache"},
		{"more tokens than the cache has room for", second(w.layer.Forward(w.cache, minimoe.LayerInput{X: ramp(30, 1)})), minimoe.ErrShape, ""},
		{"tokens that are no whole sequences", second(w.layer.Forward(w.cache, minimoe.LayerInput{X: x, SeqLen: 3})), minimoe.ErrShape, "3"},
		{"forward of a NaN", second(w.layer.Forward(w.cache, minimoe.LayerInput{X: broken})), minimoe.ErrNonFinite, ""},
		{"backward without a forward", second(w.layer.Backward(w.cache, x, x, 1)), minimoe.ErrInvalidArgument, ""},
		{"gradient of another shape", second(w.layer.Backward(forwarded, x, x[:6], 1)), minimoe.ErrShape, "d_y"},
		{"negative balance scale", second(w.layer.Backward(forwarded, x, x, -1)), minimoe.ErrInvalidArgument, "balance_scale"},
		{"balance scale that is no number", second(w.layer.Backward(forwarded, x, x, math.NaN())), minimoe.ErrInvalidArgument, "balance_scale"},
		{"gradient of a NaN", second(w.layer.Backward(forwarded, x, broken, 1)), minimoe.ErrNonFinite, ""},
		{"decisions before a forward", second(ok(w.layer.NewCache(1))(t).TopKIdx()), minimoe.ErrInvalidArgument, ""},
		{"loads of too many experts", w.layer.UpdateBias(make([]int64, 5)), minimoe.ErrShape, "5"},
		{"bound parameter of another shape", w.layer.BindParameter("router.weight", make([]float32, 5)), minimoe.ErrShape, "5"},
		{"bound gradient of a buffer", w.layer.BindGradient("expert_bias", make([]float32, 4)), minimoe.ErrInvalidArgument, "expert_bias"},
		{"gradient of a buffer", second(w.layer.Gradient("expert_bias")), minimoe.ErrInvalidArgument, "expert_bias"},

		{"closed model", second(closedModel.Forward(minimoe.Batch{Tokens: []int32{1}, SeqLen: 1})), minimoe.ErrClosed, "closed"},
		{"trainer of a closed model", second(minimoe.NewTrainer(closedModel, w.dataset, w.config)), minimoe.ErrClosed, "NewTrainer"},
		{"trainer on a closed dataset", second(minimoe.NewTrainer(w.dense, closedDataset, w.config)), minimoe.ErrClosed, "NewTrainer"},
		{"closed dataset", closedDataset.Append([]int32{1}, nil), minimoe.ErrClosed, "Append"},
		{"closed trainer", second(closedTrainer.Run(ctx, 1)), minimoe.ErrClosed, "Run"},
		{"closed layer", second(closedLayer.Infer(minimoe.LayerInput{X: x})), minimoe.ErrClosed, "Infer"},
		{"closed cache", second(w.layer.Forward(closedCache, minimoe.LayerInput{X: x})), minimoe.ErrClosed, "Forward"},
		{"model that nobody made", second(new(minimoe.Model).Config()), minimoe.ErrClosed, "Config"},
		{"layer that nobody made", new(minimoe.MoELayer).ZeroGradients(), minimoe.ErrClosed, "ZeroGradients"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !errors.Is(test.err, test.kind) || !strings.Contains(test.err.Error(), test.says) {
				t.Errorf("got %v, expected %v that says %q", test.err, test.kind, test.says)
			}
		})
	}

	// What was refused left no trace.
	if step := ok(w.trainer.Step())(t); step != 0 {
		t.Error(step)
	}
	for name, values := range state {
		if !slices.Equal(values, ok(w.model.Parameter(name))(t)) {
			t.Errorf("%s has changed", name)
		}
	}
	dX := ok(w.layer.Backward(forwarded, x, ramp(24, 0.5), 1))(t)
	if slices.Contains(dX, 0) {
		t.Error(dX)
	}
}
