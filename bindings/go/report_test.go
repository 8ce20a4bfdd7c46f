// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"minimoe"
	"minimoe/internal/raw"
)

// holdsAll fails unless T has a field for every key of a text of the library's, and gives it back.
func holdsAll[T any](t *testing.T, text []byte) T {
	t.Helper()
	var value T
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	must(t, decoder.Decode(&value))
	var want, got any
	must(t, json.Unmarshal(text, &want))
	must(t, json.Unmarshal(ok(json.Marshal(value))(t), &got))
	if lost := difference("", want, got); lost != "" {
		t.Fatalf("%T loses %s", value, lost)
	}
	return value
}

// difference is the first value of want that is not in got. A null, or an empty list, may be left out.
func difference(path string, want, got any) string {
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		for key, value := range want {
			if lost := difference(path+"."+key, value, got[key]); lost != "" {
				return lost
			}
		}
		return ""
	case []any:
		got, _ := got.([]any)
		if len(got) != len(want) {
			return path
		}
		for i, value := range want {
			if lost := difference(fmt.Sprintf("%s[%d]", path, i), value, got[i]); lost != "" {
				return lost
			}
		}
		return ""
	case nil:
		return ""
	default:
		if !reflect.DeepEqual(want, got) {
			return path
		}
		return ""
	}
}

// written is the text of a call, past the types of this package.
func written(t *testing.T, fill func(buf []byte, needed *uint64, e *raw.Error) int32) []byte {
	t.Helper()
	buf, needed, e := make([]byte, 1<<20), new(uint64), new(raw.Error)
	if status := fill(buf, needed, e); status != 0 {
		t.Fatal(e.Text())
	}
	return buf[:*needed-1]
}

// grammarRun is a trained model that drops tokens, on words that have classes.
func grammarRun(t *testing.T) (*minimoe.Trainer, minimoe.Config) {
	t.Helper()
	config := ok(minimoe.ParseConfig([]byte(`{"model": {"max_seq_len": 16, "num_layers": 2, "d_model": 8, "num_heads": 2, "d_ff": 8,
		"moe": {"layers": [1], "d_expert": 8, "capacity_factor": 1.0, "eval_capacity_factor": 1.0}},
		"train": {"steps": 60, "batch_size": 2, "seq_len": 16, "warmup_steps": 0}, "data": {"num_eval_sentences": 200}}`)))(t)
	dataset := ok(minimoe.OpenDataset(config))(t)
	config = ok(dataset.Fit(config))(t)
	trainer := ok(minimoe.NewTrainer(ok(minimoe.NewModel(config))(t), dataset, config))(t)
	ok(trainer.Run(t.Context(), 55))(t)
	return trainer, config
}

func TestReportsHoldWhatTheLibraryWrites(t *testing.T) {
	trainer, _ := grammarRun(t)
	model, dataset, ctx := trainer.Model(), trainer.Dataset(), t.Context()

	health := ok(trainer.Health(minimoe.HealthOptions{Window: minimoe.Ptr(20), Warmup: minimoe.Ptr(0)}))(t)
	again := holdsAll[minimoe.HealthReport](t, health.JSON)
	if again.JSON = health.JSON; !reflect.DeepEqual(again, health) || health.Window != 20 || *health.Options.Warmup != 0 ||
		len(health.Layers) != 1 || *health.Layers[0].Block != 1 || len(health.Layers[0].Windows) < 2 {
		t.Fatalf("%+v", health)
	}
	options := minimoe.SpecialisationOptions{MaxWindows: minimoe.Ptr(30), NumPermutations: minimoe.Ptr(9),
		NumBootstrap: minimoe.Ptr(9), NumTables: minimoe.Ptr(2), NumRouters: minimoe.Ptr(2), NumWordShuffles: minimoe.Ptr(2)}
	special := ok(model.Specialisation(ctx, dataset, "val", options))(t)
	holdsAll[minimoe.Specialisation](t, special.JSON)
	if special.NumWindows != 30 || len(special.Layers) != 1 || len(special.Layers[0].Classes) != len(special.ClassNames) ||
		*special.Layers[0].Controls.ShuffledLabels.PValue < 0.1-1e-9 {
		t.Fatalf("%+v", special)
	}
	directory := filepath.Join(t.TempDir(), "hf")
	info := ok(dataset.Info())(t)
	mixtral := ok(ok(minimoe.NewModel(ok(minimoe.ParseConfig([]byte(fmt.Sprintf(
		`{"model": {"preset": "llama", "vocab_size": %d, "d_model": 8, "num_heads": 2, "d_ff": 8}}`, info.VocabSize))))(t)))(t).
		Upcycle(minimoe.UpcycleOptions{}))(t)
	must(t, mixtral.Export(directory, minimoe.ExportOptions{}))
	report := ok(minimoe.AnalyzeHF(ctx, directory, dataset, "val", minimoe.HFOptions{SpecialisationOptions: options, SeqLen: 8}))(t)
	if report.Specialisation.NumWindows != 30 || len(report.Specialisation.Layers) != 2 || len(report.Health.Layers) != 2 {
		t.Fatalf("%+v", report)
	}
	if _, err := minimoe.AnalyzeHF(ctx, directory, nil, "val", minimoe.HFOptions{}); !errors.Is(err, minimoe.ErrInvalidArgument) {
		t.Fatal(err)
	}
	capacity := ok(model.CapacityReport(ctx, dataset, "val", minimoe.CapacityOptions{MaxWindows: minimoe.Ptr(10)}))(t)
	holdsAll[minimoe.CapacityReport](t, capacity.JSON)
	if capacity.Train.Split != "train" || capacity.Evaluation.NumWindows != 10 || len(capacity.Stragglers) != 1 {
		t.Fatalf("%+v", capacity)
	}
	probes := ok(model.AnswerProbes(ctx, dataset, "held-out-verbs", 20))(t)
	if len(probes) == 0 || probes[0].Kind == "" || probes[0].Asked+probes[0].Skipped == 0 {
		t.Fatalf("%+v", probes)
	}

	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err := model.Specialisation(ended, dataset, "val", options)
	wants(t, err, context.Canceled)
	_, err = model.AnswerProbes(ended, dataset, "val", 20)
	wants(t, err, context.Canceled)
	_, err = model.CapacityReport(ended, dataset, "val", minimoe.CapacityOptions{})
	wants(t, err, context.Canceled)
	_, err = trainer.Interference(ended)
	wants(t, err, context.Canceled)
}

func TestDocumentsHoldWhatTheLibraryWrites(t *testing.T) {
	config := []byte(smallRun)
	holdsAll[minimoe.BuildInfo](t, written(t, raw.BuildInfo))
	holdsAll[[]minimoe.ConfigKey](t, written(t, raw.ConfigKeys))
	breaks := holdsAll[[]minimoe.Break](t, written(t, raw.ConfigBreaks))
	if listed := ok(minimoe.Breaks())(t); len(listed) < 5 || !reflect.DeepEqual(listed, breaks) {
		t.Fatalf("%+v", listed)
	}
	holdsAll[minimoe.Cost](t, written(t, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.ConfigCost(config, buf, needed, e)
	}))
	holdsAll[minimoe.MemoryEstimate](t, written(t, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.ConfigEstimateMemory(config, nil, buf, needed, e)
	}))
	holdsAll[minimoe.LoadStatistics](t, written(t, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.LoadStatistics([]int64{1, 2, 3, 0}, 2, buf, needed, e)
	}))
	var dataset raw.Dataset
	e := new(raw.Error)
	if raw.DatasetOpen([]byte(`{"data": {"num_eval_sentences": 20}}`), nil, &dataset, e) != 0 {
		t.Fatal(e.Text())
	}
	defer raw.DatasetFree(dataset)
	holdsAll[minimoe.DatasetInfo](t, written(t, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.DatasetInfo(dataset, buf, needed, e)
	}))
	holdsAll[minimoe.Sentence](t, written(t, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.DatasetSentence(dataset, "val", 0, 0, buf, needed, e)
	}))
	var model raw.Model
	if raw.ModelCreate(config, nil, &model, e) != 0 {
		t.Fatal(e.Text())
	}
	defer raw.ModelFree(model)
	holdsAll[minimoe.ModelInfo](t, written(t, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.ModelInfo(model, buf, needed, e)
	}))
	holdsAll[minimoe.ParameterInfo](t, written(t, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.ModelParameterInfo(model, 0, buf, needed, e)
	}))
	holdsAll[minimoe.Config](t, written(t, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.ModelConfig(model, buf, needed, e)
	}))
	file := filepath.Join(t.TempDir(), "model")
	if raw.ModelSave(model, file, e) != 0 {
		t.Fatal(e.Text())
	}
	holdsAll[minimoe.Checkpoint](t, written(t, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.CheckpointInfo(file, buf, needed, e)
	}))
}

// labRun is a finished run of two steps as RunFindings reads it, without its window.
func labRun(layers, health string) string {
	return fmt.Sprintf(`"config": {"model": {"moe": {"top_k": 1}}, "train": {"steps": 2}}, "val_loss": 2, "lines": [
		{"step": 1, "loss": 2, "aux_loss": 1, "layers": %[1]s, "interference": [{"block": 1, "main_norm": 0.5, "aux_norm": 1,
		 "scaled_ratio": null, "cosine": 0.25}]}, {"step": 2, "loss": 1, "aux_loss": 1, "layers": %[1]s, "val_loss": 2}],
		"health": %[2]s}`, layers, health)
}

const (
	onOneExpert     = `[{"block": 1, "load": [99, 1, 0, 0], "dropped": [9, 0, 0, 0], "mean_probs": [0.97, 0.01, 0.01, 0.01]}]`
	collapsedReport = `{"verdict": "collapsed", "layers": [{"verdict": "collapsed", "windows": [{"last_step": 2, "verdict":
		"collapsed", "rule": "one-expert"}]}]}`
)

func TestRunsOfTheLaboratoryAreTold(t *testing.T) {
	run := labRun(onOneExpert, collapsedReport)
	report := ok(minimoe.RunFindings([]byte(`{"window": 2, ` + run)))(t)
	holdsAll[minimoe.RunReport](t, report.JSON)
	window := report.Windows[0]
	if *report.Verdict != "collapsed" || window.Load[0] != 198 || *window.Loss != 1.5 || window.DropRate != 0.09 ||
		report.Interference[0].Layers[0].MainNorm != 0.5 || *report.ValLosses[0].Loss != 2 {
		t.Fatalf("%+v", report)
	}
	runs := fmt.Sprintf(`{"schema": "minimoe-break-runs/1", "break": "aux-off", "window": 2, "seeds": [{"seed": 7, "runs":
		{"healthy": {%[1]s, "broken": {%[1]s, "dense": {%[2]s, "fixed": {%[1]s}}]}`, run, labRun("[]", "null"))
	broken := ok(minimoe.BreakFindings([]byte(runs)))(t)
	holdsAll[minimoe.BreakReport](t, broken.JSON)
	signals := broken.Seeds[0].Signals
	if broken.Name != "aux-off" || !broken.Claims[1].Holds || !broken.Claims[1].Decided || broken.Claims[0].Decided ||
		signals[2].Signal != "expert counts" || *signals[2].FirstStep != 2 || signals[0].FirstStep != nil {
		t.Fatalf("%+v", broken)
	}
	_, err := minimoe.BreakFindings([]byte("{}"))
	wants(t, err, minimoe.ErrInvalidArgument)
	_, err = minimoe.RunFindings(nil)
	wants(t, err, minimoe.ErrInvalidArgument)
}

func TestConfigurationsToCompareDifferInWhatIsCompared(t *testing.T) {
	config := ok(minimoe.ParseConfig([]byte(smallRun)))(t)
	variants := ok(minimoe.ConfigVariants(config))(t)
	if len(variants) != 4 || variants[0].Key != "dense_baseline" || variants[3].Title != "dense-total" ||
		!reflect.DeepEqual(variants[1].Config, config) || variants[3].Config.Model.DFF <= variants[2].Config.Model.DFF ||
		len(variants[2].Config.Model.MoE.Layers) != 0 {
		t.Fatalf("%+v", variants)
	}
	balancers := ok(minimoe.ConfigBalancers(config, "none", "bias+aux"))(t)
	if len(balancers) != 2 || balancers[1].Title != "balance-bias-aux" || balancers[0].Config.Model.MoE.AuxLossCoef != 0 ||
		!balancers[1].Config.Model.MoE.BiasBalancing || balancers[1].Config.Model.MoE.AuxLossCoef == 0 {
		t.Fatalf("%+v", balancers)
	}
	for _, kinds := range [][]string{{}, {"auks"}, {"aux", "aux"}, {"a\x00"}} {
		_, err := minimoe.ConfigBalancers(config, kinds...)
		wants(t, err, minimoe.ErrInvalidArgument)
	}
	config.Model.VocabSize = 0
	_, err := minimoe.ConfigVariants(config)
	wants(t, err, minimoe.ErrInvalidArgument)
}

func TestALogOfAnyonesRoutersIsJudged(t *testing.T) {
	var log bytes.Buffer
	encoder := json.NewEncoder(&log)
	for step := range int64(200) {
		must(t, encoder.Encode(minimoe.RouterLine{Step: step + 1, TopK: 1, Load: []int64{250, 2, 2, 2},
			MeanProbs: []float64{0.97, 0.01, 0.01, 0.01}, NumDropped: minimoe.Ptr(int64(0)), AuxLoss: minimoe.Ptr(3.8)}))
	}
	report := ok(minimoe.CheckHealth(&log, minimoe.HealthOptions{AuxLossCoef: minimoe.Ptr(0.0)}))(t)
	holdsAll[minimoe.HealthReport](t, report.JSON)
	if report.Verdict != minimoe.Collapsed || report.Layers[0].Block != nil || len(report.Layers[0].Advice) == 0 {
		t.Fatalf("%+v", report)
	}
}

func TestAComparisonIsJudgedAndToldOf(t *testing.T) {
	seeds := func(loss ...float64) minimoe.VariantFigures {
		return minimoe.VariantFigures{ValLoss: loss, CPUTime: []float64{1, 1, 1.1}[:len(loss)]}
	}
	verdict := ok(minimoe.Comparison{MoEVariant: seeds(2.1, 2.2, 2.0), DenseBaseline: seeds(2.3, 2.35, 2.2),
		DenseActiveMatched: seeds(2.2, 2.3, 2.1), DenseTotalMatched: seeds(2.15, 2.25, 2.05)}.Judge())(t)
	holdsAll[minimoe.Recommendation](t, verdict.JSON)
	if verdict.Verdict != "adopt" || verdict.Gain < 0.1 || verdict.Differences["moe_variant_minus_dense_baseline"].N != 3 {
		t.Fatalf("%+v", verdict)
	}
	one := ok(minimoe.Comparison{MoEVariant: seeds(2.1), DenseBaseline: seeds(2.3), DenseActiveMatched: seeds(2.2),
		DenseTotalMatched: seeds(2.15)}.Judge())(t)
	if one.Verdict != "defer" || one.GainLow != nil {
		t.Fatalf("%+v", one)
	}
	manifest, err := os.ReadFile("testdata/comparison.json")
	must(t, err)
	text := ok(minimoe.Findings(manifest))(t)
	if words := len(strings.Fields(text)); words < 300 || words > 600 || !strings.Contains(text, "perplexity") {
		t.Fatalf("%d words: %s", words, text)
	}
}

func TestStatisticsOfLoadAreThoseOfTheTerms(t *testing.T) {
	even := ok(minimoe.StatisticsOfLoad([]int64{5, 5, 5, 5}, 2))(t)
	if even.MaxViolation != 0 || even.LoadEntropy != 1 || even.NumHot != 0 {
		t.Fatalf("%+v", even)
	}
	one := ok(minimoe.StatisticsOfLoad([]int64{8, 0, 0, 0}, 1))(t)
	if one.MaxViolation != 3 || one.MaxShare != 1 || one.NumDead != 3 || math.Abs(one.EffectiveExperts-1) > 1e-12 ||
		!slices.Equal(one.Utilisation, []float64{4, 0, 0, 0}) {
		t.Fatalf("%+v", one)
	}
}
