// SPDX-License-Identifier: Apache-2.0

package minimoe

import "minimoe/internal/raw"

// VariantFigures is one model of a comparison, a value a seed. CPUTime is only needed of the first two variants.
type VariantFigures struct {
	ValLoss []float64 `json:"val_loss"`             // nats a token
	CPUTime []float64 `json:"cpu_time_s,omitempty"` // seconds
}

// Comparison is an MoE model beside three dense ones, trained with the same seeds.
type Comparison struct {
	MoEVariant         VariantFigures `json:"moe_variant"`
	DenseBaseline      VariantFigures `json:"dense_baseline"`       // of the same d_ff
	DenseActiveMatched VariantFigures `json:"dense_active_matched"` // as many parameters as a token passes through
	DenseTotalMatched  VariantFigures `json:"dense_total_matched"`  // as many as there are
}

// Recommendation says whether to take the MoE model, by a rule written down before the figures are seen.
type Recommendation struct {
	Verdict      string                       `json:"verdict"` // "adopt", "never" or "defer"
	Rule         string                       `json:"rule"`
	Reasons      []string                     `json:"reasons"` // sentences
	Gain         float64                      `json:"gain"`    // 1 - exp(mean difference to the baseline)
	GainLow      *float64                     `json:"gain_low"`
	GainHigh     *float64                     `json:"gain_high"`
	CPUTimeRatio *float64                     `json:"cpu_time_ratio"`
	Differences  map[string]Spread            `json:"differences"` // of validation loss, paired by seed
	Limits       map[string]float64           `json:"limits"`
	Spread       map[string]map[string]Spread `json:"spread"` // by variant and figure
	JSON         []byte                       `json:"-"`      // the library's own text
}

func (r *Recommendation) keepJSON(text []byte) { r.JSON = text }

// Spread is values over seeds. Low and High are the 95 % interval of their mean, nil for one value.
type Spread struct {
	Mean   float64   `json:"mean"`
	Std    float64   `json:"std"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Low    *float64  `json:"low"`
	High   *float64  `json:"high"`
	N      int       `json:"n"`
	Values []float64 `json:"values"`
}

// Judge says whether one should take the MoE model instead of a dense one. "adopt": the interval of the difference
// excludes 0 in MoE's favour against all three dense models, and the gain is above 0.01. "never": against the baseline
// it lies wholly on the losing side, or wholly within +-1 % of its perplexity while CPU time is above 1.5 times its.
// Else "defer", as is one seed, which has no interval.
func (c Comparison) Judge() (Recommendation, error) {
	const op = "Comparison.Judge"
	written, err := encode(op, c)
	if err != nil {
		return Recommendation{}, err
	}
	return document[Recommendation](op, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.CompareVerdict(written, buf, needed, e)
	})
}

// Findings says what a comparison found, as Markdown of 300 to 600 words. manifest is manifest.json of `minimoe compare`,
// at most 16 MiB.
func Findings(manifest []byte) (string, error) {
	written, err := text("Findings", func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.CompareFindings(manifest, buf, needed, e)
	})
	return string(written), err
}
