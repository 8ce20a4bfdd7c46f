// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"context"

	"minimoe/internal/raw"
)

// CapacityOptions say how much is looked at. A nil field is its default.
type CapacityOptions struct {
	MaxWindows     *int `json:"max_windows,omitempty"`      // 500; 0: all of the split, of training as many
	MinClassTokens *int `json:"min_class_tokens,omitempty"` // 100
}

// CapacityReport is what the capacity limit costs. docs/specialisation.md has the definitions.
type CapacityReport struct {
	Corpus     string      `json:"corpus"`
	Train      CapacityUse `json:"train"`      // under CapacityFactor
	Evaluation CapacityUse `json:"evaluation"` // under EvalCapacityFactor
	Stragglers []Straggler `json:"stragglers"`
	Text       string      `json:"text"` // what a terminal shows
	JSON       []byte      `json:"-"`    // the library's own text
}

func (r *CapacityReport) keepJSON(text []byte) { r.JSON = text }

// CapacityUse is who is dropped on a split, and what that costs.
type CapacityUse struct {
	Split            string  `json:"split"`
	CapacityFactor   float64 `json:"capacity_factor"` // 0: without a limit
	NumWindows       int64   `json:"num_windows"`
	NumTokens        int64   `json:"num_tokens"`
	NumBatches       int64   `json:"num_batches"`
	Loss             float64 `json:"loss"`
	LossWithoutDrops float64 `json:"loss_without_drops"` // of the same batches
	Difference       struct {
		Mean          float64 `json:"mean"`
		StandardError float64 `json:"standard_error"` // over the batches
	} `json:"difference"`
	Layers []LayerCapacity `json:"layers"`
}

// LayerCapacity is who is dropped in one layer.
type LayerCapacity struct {
	Block            int     `json:"block"`
	Capacity         int64   `json:"capacity"`
	NumAssignments   int64   `json:"num_assignments"`
	NumDropped       int64   `json:"num_dropped"`
	DropRate         float64 `json:"drop_rate"`
	NumSkippedTokens int64   `json:"num_skipped_tokens"`
	Experts          []struct {
		Load    int64 `json:"load"`
		Dropped int64 `json:"dropped"`
	} `json:"experts"`
	Positions []float64 `json:"positions"` // drop rate at each position of a sequence
	Rows      []float64 `json:"rows"`      // of each sequence of a batch
	Classes   []struct {
		Name     string  `json:"name"`
		Count    int64   `json:"count"`
		Enough   bool    `json:"enough"` // false: too few tokens
		Dropped  int64   `json:"dropped"`
		DropRate float64 `json:"drop_rate"`
	} `json:"classes"`
}

// Straggler is the expert with the most rows, and how long the others would wait for it: measurements, which differ from
// run to run.
type Straggler struct {
	Block           int       `json:"block"`
	Expert          int       `json:"expert"`
	RowShare        float64   `json:"row_share"`
	TimeShare       float64   `json:"time_share"`
	Slowdown        float64   `json:"slowdown"`
	Seconds         []float64 `json:"seconds"` // [E], each expert alone
	SecondsTogether float64   `json:"seconds_together"`
	LayerSeconds    float64   `json:"layer_seconds"`    // the whole layer's forward
	LayerTimeShare  float64   `json:"layer_time_share"` // of the expert
}

// CapacityReport tells what the capacity limit costs: who is dropped, and the loss without drops. split is one of
// evaluation; the training windows are looked at too.
func (m *Model) CapacityReport(ctx context.Context, dataset *Dataset, split string,
	opts CapacityOptions) (CapacityReport, error) {
	const op = "Model.CapacityReport"
	written, err := encode(op, opts)
	if err != nil {
		return CapacityReport{}, err
	}
	return judge[CapacityReport](ctx, op, m, dataset, split,
		func(model raw.Model, data raw.Dataset, cancel raw.CancelToken, buf []byte, needed *uint64, e *raw.Error) int32 {
			return raw.ModelCapacityReport(model, data, split, written, cancel, buf, needed, e)
		})
}
