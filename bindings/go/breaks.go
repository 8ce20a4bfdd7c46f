// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"encoding/json"

	"minimoe/internal/raw"
)

// Break is a named way to break a router, one setting away from a run that is well.
type Break struct {
	Name    string      `json:"name"`
	Concept string      `json:"concept"`
	Claim   string      `json:"claim"`  // what is commonly said to happen
	Claims  []string    `json:"claims"` // the same as conditions
	Change  BreakChange `json:"change"`
	Fix     []BreakFix  `json:"fix"`

	// Configurations; Model.VocabSize is 0 in them: see [Dataset.Fit]. The broken run goes on with Fixed from its own
	// weights, with an expert_bias of 0 unless that balances by bias.
	Healthy Config `json:"healthy"`
	Broken  Config `json:"broken"`
	Fixed   Config `json:"fixed"`

	HiddenCause string `json:"hidden_cause"`
	Hint1       string `json:"hint_1"`
	Hint2       string `json:"hint_2"`
	Hint3       string `json:"hint_3"`
	FixDiff     string `json:"fix_diff"`
}

// BreakChange is the one setting in which a broken run differs from its healthy twin.
type BreakChange struct {
	Key     string          `json:"key"`
	Healthy json.RawMessage `json:"healthy"`
	Broken  json.RawMessage `json:"broken"`
}

// BreakFix is a setting that brings the broken weights back.
type BreakFix struct {
	Key    string          `json:"key"`
	Broken json.RawMessage `json:"broken"`
	Fixed  json.RawMessage `json:"fixed"`
}

// Breaks lists them.
func Breaks() ([]Break, error) { return document[[]Break]("Breaks", raw.ConfigBreaks) }
