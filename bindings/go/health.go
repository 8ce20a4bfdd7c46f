// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"io"

	"minimoe/internal/raw"
)

// HealthOptions are the limits of the rule in docs/health.md. A nil field is its default.
type HealthOptions struct {
	Window             *int     `json:"window,omitempty"`       // steps a verdict looks at
	Warmup             *int     `json:"warmup,omitempty"`       // steps of the learning rate's rise
	SettleSteps        *int     `json:"settle_steps,omitempty"` // after it, before the first verdict
	CollapsedBelow     *float64 `json:"collapsed_below,omitempty"`
	SkewedBelow        *float64 `json:"skewed_below,omitempty"`
	AlwaysChosenAbove  *float64 `json:"always_chosen_above,omitempty"`
	OftenChosenAbove   *float64 `json:"often_chosen_above,omitempty"`
	OverloadedAbove    *float64 `json:"overloaded_above,omitempty"`
	GateCollapsedBelow *float64 `json:"gate_collapsed_below,omitempty"`
	GateExcessAbove    *float64 `json:"gate_excess_above,omitempty"`
	GateGapAbove       *float64 `json:"gate_gap_above,omitempty"`
	DropRateAbove      *float64 `json:"drop_rate_above,omitempty"`
	ColdBelow          *float64 `json:"cold_below,omitempty"`
	HotAbove           *float64 `json:"hot_above,omitempty"`
	ChanceAbove        *float64 `json:"chance_above,omitempty"`
	EarlyShareAbove    *float64 `json:"early_share_above,omitempty"`
	FallingAbove       *float64 `json:"falling_above,omitempty"`

	// For the advice only; those of the trainer, where there is one.
	AuxLossCoef   *float64 `json:"aux_loss_coef,omitempty"`
	ZLossCoef     *float64 `json:"z_loss_coef,omitempty"`
	RouterInitStd *float64 `json:"router_init_std,omitempty"`
	BiasBalancing *bool    `json:"bias_balancing,omitempty"`
}

// Verdict is what health is judged to be.
type Verdict string

// Verdicts, from good to bad; Untested is a run that is too short.
const (
	Healthy   Verdict = "healthy"
	Untested  Verdict = "untested"
	AtRisk    Verdict = "at-risk"
	Skewed    Verdict = "skewed"
	Sham      Verdict = "sham"
	Collapsed Verdict = "collapsed"
)

// HealthReport judges routers; the worst layer decides. docs/health.md has the rule, its words and its limits.
type HealthReport struct {
	Verdict Verdict       `json:"verdict"`
	Window  int           `json:"window"`
	Warmup  int           `json:"warmup"`
	Options HealthOptions `json:"options"` // those that were used
	Layers  []LayerHealth `json:"layers"`
	Text    string        `json:"text"` // what a terminal shows
	JSON    []byte        `json:"-"`    // the library's own text
}

func (r *HealthReport) keepJSON(text []byte) { r.JSON = text }

// LayerHealth is one router's.
type LayerHealth struct {
	Layer      int            `json:"layer"` // among the MoE layers
	Block      *int           `json:"block"` // of the model, when the log says it
	NumExperts int            `json:"num_experts"`
	TopK       int            `json:"top_k"`
	Verdict    Verdict        `json:"verdict"`
	Rule       string         `json:"rule"`
	Reason     string         `json:"reason"`
	Advice     []string       `json:"advice"`
	Findings   []string       `json:"findings"`
	Figures    RouterFigures  `json:"figures"` // of the last window
	Windows    []WindowHealth `json:"windows"`
}

// RouterFigures is what the verdict on a window was made from. What is nil was not in the log.
type RouterFigures struct {
	FirstStep                     int64     `json:"first_step"`
	LastStep                      int64     `json:"last_step"`
	NumSteps                      int64     `json:"num_steps"`
	NumTokens                     int64     `json:"num_tokens"`
	Load                          []int64   `json:"load"`
	EffectiveExperts              float64   `json:"effective_experts"`
	EffectiveShare                float64   `json:"effective_share"`
	EffectiveDistance             float64   `json:"effective_distance"`
	MaxShare                      float64   `json:"max_share"`
	MaxViolationWindow            float64   `json:"max_violation_window"`
	MaxViolationBatch             float64   `json:"max_violation_batch"`
	MaxViolationBatchIsLowerBound bool      `json:"max_violation_batch_is_lower_bound"`
	MaxShareBatch                 float64   `json:"max_share_batch"`
	LoadEntropy                   float64   `json:"load_entropy"`
	Utilisation                   []float64 `json:"utilisation"`
	LoadCV                        float64   `json:"load_cv"`
	MeanProbs                     []float64 `json:"mean_probs"`
	GateWeightShare               []float64 `json:"gate_weight_share"`
	GateWeightEffectiveExperts    *float64  `json:"gate_weight_effective_experts"`
	GateWeightEntropy             *float64  `json:"gate_weight_entropy"`
	GateWeightMaxViolation        *float64  `json:"gate_weight_max_violation"`
	GateWeightUtilisation         []float64 `json:"gate_weight_utilisation"`
	GateMassEffectiveExperts      *float64  `json:"gate_mass_effective_experts"`
	GateMassShare                 *float64  `json:"gate_mass_share"`
	GateMassEntropy               *float64  `json:"gate_mass_entropy"`
	GateMassMaxViolation          *float64  `json:"gate_mass_max_violation"`
	GateMassUtilisation           []float64 `json:"gate_mass_utilisation"`
	GateMassDistance              *float64  `json:"gate_mass_distance"`
	GateMassExcess                *float64  `json:"gate_mass_excess"`
	GateMassGap                   *float64  `json:"gate_mass_gap"`
	Dead                          []int     `json:"dead"` // experts
	Cold                          []int     `json:"cold"`
	Hot                           []int     `json:"hot"`
	DropRate                      *float64  `json:"drop_rate"`
	RouterLogitNorm               *float64  `json:"router_logit_norm"`
	AuxLoss                       *float64  `json:"aux_loss"`
	AuxLossWeighted               *float64  `json:"aux_loss_weighted"`
	ZLoss                         *float64  `json:"z_loss"`
	ZLossWeighted                 *float64  `json:"z_loss_weighted"`
	BiasMin                       *float64  `json:"bias_min"`
	BiasMax                       *float64  `json:"bias_max"`
	Chance                        float64   `json:"chance"`
	ChanceOfMissingExpert         float64   `json:"chance_of_missing_expert"`
	CheckExpertHealth             struct {
		FromProbabilities *ExpertHealth `json:"from_probabilities"`
		FromAssignments   ExpertHealth  `json:"from_assignments"`
	} `json:"check_expert_health"`
}

// ExpertHealth is a common check of other libraries, for comparison.
type ExpertHealth struct {
	UtilizationVariance float64 `json:"utilization_variance"`
	HotCount            int     `json:"hot_count"`
	ColdCount           int     `json:"cold_count"`
}

// WindowHealth is a verdict on some steps.
type WindowHealth struct {
	FirstStep         int64    `json:"first_step"`
	LastStep          int64    `json:"last_step"`
	Verdict           Verdict  `json:"verdict"`
	Rule              string   `json:"rule"`
	Reason            string   `json:"reason"`
	EffectiveShare    float64  `json:"effective_share"`
	GateMassShare     *float64 `json:"gate_mass_share"`
	MaxShare          float64  `json:"max_share"`
	MaxViolation      float64  `json:"max_violation"`
	MaxViolationBatch float64  `json:"max_violation_batch"`
	NumCold           int      `json:"num_cold"`
	NumDead           int      `json:"num_dead"`
	NumTokens         int64    `json:"num_tokens"`
	DropRate          *float64 `json:"drop_rate"`
	RouterLogitNorm   *float64 `json:"router_logit_norm"`
	BiasMin           *float64 `json:"bias_min"`
	BiasMax           *float64 `json:"bias_max"`
}

// Health judges the routers over the steps since the trainer was made or resumed, of which there must be one.
func (t *Trainer) Health(opts HealthOptions) (HealthReport, error) {
	const op = "Trainer.Health"
	written, err := encode(op, opts)
	if err != nil {
		return HealthReport{}, err
	}
	return documentOf[HealthReport](t.handle, op, func(ref raw.Trainer, buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.TrainerHealth(ref, written, buf, needed, e)
	})
}

// CheckHealth judges anyone's routers by their log, one JSON object a line: see [RouterLine].
func CheckHealth(log io.Reader, opts HealthOptions) (HealthReport, error) {
	const op = "CheckHealth"
	if log == nil {
		return HealthReport{}, refuse(op, "log is nil")
	}
	lines, err := io.ReadAll(log)
	if err != nil {
		return HealthReport{}, err
	}
	written, err := encode(op, opts)
	if err != nil {
		return HealthReport{}, err
	}
	return document[HealthReport](op, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.HealthCheck(lines, written, buf, needed, e)
	})
}

// RouterLine is one line of a log for [CheckHealth], to be written by a json.Encoder. It sums NumSteps steps.
type RouterLine struct {
	Step              int64     `json:"step"`
	Layer             int       `json:"layer"`
	Block             *int      `json:"block,omitempty"`
	TopK              int       `json:"top_k"`
	Load              []int64   `json:"load"` // [E] assignments, before any capacity drop
	MeanProbs         []float64 `json:"mean_probs,omitempty"`
	NumDropped        *int64    `json:"num_dropped,omitempty"`
	NumSteps          int64     `json:"num_steps,omitempty"` // 0: one
	GateWeightShare   []float64 `json:"gate_weight_share,omitempty"`
	MaxViolationBatch *float64  `json:"max_violation_batch,omitempty"`
	RouterLogitNorm   *float64  `json:"router_logit_norm,omitempty"`
	AuxLoss           *float64  `json:"aux_loss,omitempty"`
	ZLoss             *float64  `json:"z_loss,omitempty"`
	BiasMin           *float64  `json:"bias_min,omitempty"`
	BiasMax           *float64  `json:"bias_max,omitempty"`
}

// LoadStatistics is what loads say about balance. docs/terms.md has the words.
type LoadStatistics struct {
	MaxViolation     float64   `json:"max_violation"` // max / mean - 1; 0 is even
	MaxShare         float64   `json:"max_share"`     // 0 even, 1 total collapse for any K
	LoadEntropy      float64   `json:"load_entropy"`  // over ln E: 1 is even
	EffectiveExperts float64   `json:"effective_experts"`
	ShareStddev      float64   `json:"share_stddev"`
	NumDead          int       `json:"num_dead"`    // of no token
	NumCold          int       `json:"num_cold"`    // of less than 0.1 of the mean, the dead included
	NumHot           int       `json:"num_hot"`     // of more than 1.25 of the mean
	Utilisation      []float64 `json:"utilisation"` // [E] over the mean
}

// StatisticsOfLoad tells what loads [E], of tokens that go to topK experts each, say about balance. They are 0 or more,
// and not all 0.
func StatisticsOfLoad(load []int64, topK int) (LoadStatistics, error) {
	const op = "StatisticsOfLoad"
	k, err := count(op, "topK", topK)
	if err != nil {
		return LoadStatistics{}, err
	}
	return document[LoadStatistics](op, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.LoadStatistics(load, k, buf, needed, e)
	})
}
