// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"context"

	"minimoe/internal/raw"
)

// SpecialisationOptions say how much is looked at and drawn. A nil field is its default.
type SpecialisationOptions struct {
	MaxWindows      *int   `json:"max_windows,omitempty"` // 500; 0: all; of "train" 1 or more
	Seed            uint64 `json:"seed"`
	NumPermutations *int   `json:"num_permutations,omitempty"`  // 199
	NumBootstrap    *int   `json:"num_bootstrap,omitempty"`     // 200
	NumTables       *int   `json:"num_tables,omitempty"`        // 20
	NumRouters      *int   `json:"num_routers,omitempty"`       // 8
	NumWordShuffles *int   `json:"num_word_shuffles,omitempty"` // 20
	MinClassTokens  *int   `json:"min_class_tokens,omitempty"`  // 100
}

// Specialisation is what the experts of each MoE layer divide by. docs/specialisation.md has the definitions.
type Specialisation struct {
	Corpus     string                `json:"corpus"`
	Split      string                `json:"split"`
	NumWindows int64                 `json:"num_windows"`
	NumTokens  int64                 `json:"num_tokens"`
	By         string                `json:"by"` // "class", or "frequency" for a dataset without classes
	ClassNames []string              `json:"class_names"`
	Options    SpecialisationOptions `json:"options"` // those that were used
	Layers     []LayerSpecialisation `json:"layers"`
	Text       string                `json:"text"` // what a terminal shows
	JSON       []byte                `json:"-"`    // the library's own text
}

func (s *Specialisation) keepJSON(text []byte) { s.JSON = text }

// LayerSpecialisation is what the experts of one layer divide by.
type LayerSpecialisation struct {
	Block      int           `json:"block"`
	NumExperts int           `json:"num_experts"`
	TopK       int           `json:"top_k"`
	Histogram  []int64       `json:"histogram"` // [E] assignments
	ByChoice   [][]int64     `json:"by_choice"` // [K][E]
	Classes    []GroupShares `json:"classes"`
	Frequency  []GroupShares `json:"frequency"` // by how often the word form occurs; without Lift
	NMI        struct {
		Value   float64 `json:"value"`
		Low     float64 `json:"low"`
		High    float64 `json:"high"`
		Ceiling float64 `json:"ceiling"`
	} `json:"nmi"`
	Controls struct {
		ShuffledLabels    ControlValues `json:"shuffled_labels"`
		RandomTable       ControlValues `json:"random_table"`
		RandomRouter      ControlValues `json:"random_router"`
		WithinWordShuffle ControlValues `json:"within_word_shuffle"`
	} `json:"controls"`
	WordExplains    float64 `json:"word_explains"`
	ClassExplains   float64 `json:"class_explains"`
	ClassBeyondWord float64 `json:"class_beyond_word"`
	ClassGivenWord  float64 `json:"class_given_word"`
	Conclusion      string  `json:"conclusion"` // "class", "word-form", "random-like" or "none"
	Text            string  `json:"text"`
}

// GroupShares is where the tokens of a class, or of a frequency, go.
type GroupShares struct {
	Name   string    `json:"name"`
	Count  int64     `json:"count"`
	Enough bool      `json:"enough"` // false: too few tokens
	Share  []float64 `json:"share"`  // [E]
	Lift   []float64 `json:"lift"`   // [E] share over that of all tokens
}

// ControlValues is what the same measure gives where there is nothing to find.
type ControlValues struct {
	Mean   float64  `json:"mean"`
	Std    float64  `json:"std"`
	Max    float64  `json:"max"`
	Draws  int      `json:"draws"`
	PValue *float64 `json:"p_value"` // of ShuffledLabels
}

// Specialisation tells what the experts divide by on a split: token class, word form, or nothing, with the controls that
// tell these apart. ErrInvalidArgument for a model without MoE layers and for a split without windows.
func (m *Model) Specialisation(ctx context.Context, dataset *Dataset, split string,
	opts SpecialisationOptions) (Specialisation, error) {
	const op = "Model.Specialisation"
	written, err := encode(op, opts)
	if err != nil {
		return Specialisation{}, err
	}
	return judge[Specialisation](ctx, op, m, dataset, split,
		func(model raw.Model, data raw.Dataset, cancel raw.CancelToken, buf []byte, needed *uint64, e *raw.Error) int32 {
			return raw.ModelSpecialisation(model, data, split, written, cancel, buf, needed, e)
		})
}
