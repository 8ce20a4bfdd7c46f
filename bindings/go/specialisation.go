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
	Conclusion      string  `json:"conclusion"` // "class", "word-form", "random-like", "none" or "undecided"
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
	Mean        float64  `json:"mean"`
	Std         float64  `json:"std"`
	Max         float64  `json:"max"`
	Draws       int      `json:"draws"`
	PValue      *float64 `json:"p_value"`       // of ShuffledLabels
	LeastPValue *float64 `json:"least_p_value"` // that so many draws can give
	Decidable   *bool    `json:"decidable"`     // whether p can reach 0.01
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

// HFReport is what the routers of a checkpoint of Hugging Face's do with a dataset.
type HFReport struct {
	Specialisation Specialisation `json:"specialisation"`
	Health         HealthReport   `json:"health"` // of one window, a step of which is a batch
	JSON           []byte         `json:"-"`      // the library's own text
}

func (r *HFReport) keepJSON(text []byte) { r.JSON = text }

// HFOptions are those of Specialisation, and the windows: MaxWindows is 64 by default here.
type HFOptions struct {
	SpecialisationOptions
	SeqLen    int `json:"seq_len,omitempty"`    // 256
	BatchSize int `json:"batch_size,omitempty"` // 4 windows
}

// AnalyzeHF tells what the routers of a directory of Hugging Face's transformers do with a dataset, with the weights of
// one block in memory at a time: errors as those of ImportModel and Model.Specialisation.
func AnalyzeHF(ctx context.Context, path string, dataset *Dataset, split string, analysis HFOptions,
	opts ...Option) (HFReport, error) {
	const op = "AnalyzeHF"
	var report HFReport
	for _, name := range [][2]string{{"path", path}, {"split", split}} {
		if err := checkName(op, name[0], name[1]); err != nil {
			return report, err
		}
	}
	if dataset == nil {
		return report, refuse(op, "dataset is nil")
	}
	written, err := encode(op, analysis)
	if err != nil {
		return report, err
	}
	options, sink, err := resolve(op, opts)
	if err != nil {
		return report, err
	}
	defer sink.release()
	err = cancellable(ctx, op, func(cancel raw.CancelToken) error {
		return dataset.handle.use(op, func(data raw.Dataset) error {
			var err error
			report, err = document[HFReport](op, func(buf []byte, needed *uint64, e *raw.Error) int32 {
				return raw.HfAnalyze(data, path, split, written, options, cancel, buf, needed, e)
			})
			return err
		})
	})
	return report, err
}
