// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"strings"

	"minimoe/internal/raw"
)

// Variant is one of the four models of a comparison of MoE with dense.
type Variant struct {
	Key    string `json:"key"`   // "dense_baseline", "moe_variant", "dense_active_matched" or "dense_total_matched"
	Title  string `json:"title"` // fit for a directory name
	Config Config `json:"config"`
}

// ConfigVariants gives the models to compare config with: the dense one of the same DFF, config itself, and dense ones whose
// DFF brings their parameters nearest to those that a token passes through in the MoE model, and to all of them. It needs an
// MoE layer and Model.VocabSize.
func ConfigVariants(config Config) ([]Variant, error) {
	const op = "ConfigVariants"
	written, err := encode(op, config)
	if err != nil {
		return nil, err
	}
	return document[[]Variant](op, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.ConfigVariants(written, buf, needed, e)
	})
}

// Balancer is a configuration that balances its routers in one of several ways.
type Balancer struct {
	Name   string `json:"name"`
	Title  string `json:"title"` // fit for a directory name
	Config Config `json:"config"`
}

// ConfigBalancers gives config balanced in each of the ways that kinds names, for runs that differ in nothing else: some of
// "none", "aux", "seq-aux", "bias" and "bias+aux".
func ConfigBalancers(config Config, kinds ...string) ([]Balancer, error) {
	const op = "ConfigBalancers"
	names := strings.Join(kinds, ",")
	written, err := encode(op, config)
	if err == nil {
		err = checkName(op, "kinds", names)
	}
	if err != nil {
		return nil, err
	}
	return document[[]Balancer](op, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.ConfigBalancers(written, names, buf, needed, e)
	})
}

// RunReport is what a finished run of the router laboratory showed.
type RunReport struct {
	ValLoss        float64          `json:"val_loss"`
	Verdict        *Verdict         `json:"verdict"`         // of the health report; nil without MoE layers
	VerdictWindows []WindowHealth   `json:"verdict_windows"` // those of the layer that decided it
	Windows        []RunWindow      `json:"windows"`
	Interference   []GradientSample `json:"interference"`
	ValLosses      []ValidationLoss `json:"val_losses"`
	JSON           []byte           `json:"-"` // the library's own text
}

func (r *RunReport) keepJSON(text []byte) { r.JSON = text }

// RunWindow is a span of steps. Without MoE layers it has steps and loss alone; with several the figures are those of the
// one whose counts are least even.
type RunWindow struct {
	FirstStep       int64     `json:"first_step"`
	LastStep        int64     `json:"last_step"`
	Loss            *float64  `json:"loss"`     // mean; nil when it was not finite
	AuxLoss         *float64  `json:"aux_loss"` // the same
	Load            []int64   `json:"load,omitempty"`
	MeanProbs       []float64 `json:"mean_probs,omitempty"`
	EffectiveShare  float64   `json:"effective_share"` // effective experts of the counts, over E
	GateMassShare   float64   `json:"gate_mass_share"` // the same of MeanProbs
	LargestShare    float64   `json:"largest_share"`   // of the assignments
	LargestGateMass float64   `json:"largest_gate_mass"`
	MaxViolation    float64   `json:"max_violation"`
	NumCold         int       `json:"num_cold"`
	NumDead         int       `json:"num_dead"`
	DropRate        float64   `json:"drop_rate"`
}

// GradientSample tells how the balance loss pulled at each router at a step.
type GradientSample struct {
	Step   int64               `json:"step"`
	Layers []LayerInterference `json:"layers"`
}

// ValidationLoss is that of a step.
type ValidationLoss struct {
	Step int64    `json:"step"`
	Loss *float64 `json:"loss"` // nil when it was not finite
}

// RunFindings says what a finished run showed, window by window. run is a JSON document, whose shape stands at
// minimoe_run_findings: {"window", "config", "lines" of metrics.jsonl, "health", "val_loss"}.
func RunFindings(run []byte) (RunReport, error) {
	return document[RunReport]("RunFindings", func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.RunFindings(run, buf, needed, e)
	})
}

// BreakReport is what a break showed, over its seeds.
type BreakReport struct {
	Name        string       `json:"name"`
	Concept     string       `json:"concept"`
	Claim       string       `json:"claim"` // what is commonly said to happen
	Claims      []ClaimCheck `json:"claims"`
	Change      BreakChange  `json:"change"`
	Fix         []BreakFix   `json:"fix"`
	Symptom     string       `json:"symptom"` // as measured
	HiddenCause string       `json:"hidden_cause"`
	Hint1       string       `json:"hint_1"`
	Hint2       string       `json:"hint_2"`
	Hint3       string       `json:"hint_3"`
	FixDiff     string       `json:"fix_diff"`
	Recovery    string       `json:"recovery"` // how the broken weights fared under the fix
	Seeds       []BreakSeed  `json:"seeds"`
	JSON        []byte       `json:"-"` // the library's own text
}

func (r *BreakReport) keepJSON(text []byte) { r.JSON = text }

// ClaimCheck is what is commonly said, held against what was measured.
type ClaimCheck struct {
	Claim   string `json:"claim"`
	Holds   bool   `json:"holds"`
	Decided bool   `json:"decided"` // false: the runs are shorter than the break's own
	Text    string `json:"text"`
}

// BreakSeed is the runs of one seed.
type BreakSeed struct {
	Seed             uint64        `json:"seed"`
	Signals          []BreakSignal `json:"signals"`
	FixedHealthyFrom *int64        `json:"fixed_healthy_from"` // a step; nil for never
	FixedEvenFrom    *int64        `json:"fixed_even_from"`    // the same
	Runs             struct {
		Healthy RunReport `json:"healthy"`
		Broken  RunReport `json:"broken"`
		Dense   RunReport `json:"dense"`
		Fixed   RunReport `json:"fixed"`
	} `json:"runs"`
}

// BreakSignal is a signal of the broken run and when it first spoke.
type BreakSignal struct {
	Signal    string `json:"signal"`
	SaysWhen  string `json:"says_when"`
	FirstStep *int64 `json:"first_step"` // nil for never
	AtTheEnd  string `json:"at_the_end"`
}

// BreakFindings says what a break showed, from the finished runs of each seed. runs is a JSON document, whose shape stands at
// minimoe_break_findings: {"schema": "minimoe-break-runs/1", "break", "window", "seeds"}.
func BreakFindings(runs []byte) (BreakReport, error) {
	return document[BreakReport]("BreakFindings", func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.BreakFindings(runs, buf, needed, e)
	})
}
