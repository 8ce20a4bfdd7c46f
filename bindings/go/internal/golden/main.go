// SPDX-License-Identifier: Apache-2.0

// Command golden runs the cases of the golden set of the bindings and writes what the library gave it:
//
//	golden manifest.json results.json
//
// It is written on the raw layer, which hands every text on byte by byte; tests/golden/bindings/README.md of the project
// says what each case is.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"minimoe/internal/raw"
)

// Case is the parameters of any case; each operation reads some.
type Case struct {
	Name, Op, Status, Kind, JSON, Preset, Config, Path, Text, Split string

	Kinds, Generate, Resume, Health, Log, Specialisation, Capacity string

	Codes           []int32
	Load            []int64
	Gradients, Read []string
	Valid           []int
	Parameters      [][]any

	Tag, Seed, Index     int64
	Count, Steps, Prompt int

	NumThreads    int32   `json:"num_threads"`
	DataTag       int64   `json:"data_tag"`
	NumData       int     `json:"num_data"`
	VocabSize     int64   `json:"vocab_size"`
	NumClasses    int64   `json:"num_classes"`
	SeqLen        uint64  `json:"seq_len"`
	NumWindows    uint64  `json:"num_windows"`
	NumTokens     int     `json:"num_tokens"`
	DModel        int     `json:"d_model"`
	XScale        float64 `json:"x_scale"`
	DYScale       float64 `json:"d_y_scale"`
	BalanceScale  float64 `json:"balance_scale"`
	BiasUpdates   int     `json:"bias_updates"`
	MaxWindows    uint64  `json:"max_windows"`
	MaxTokens     uint64  `json:"max_tokens"`
	MaxCount      uint64  `json:"max_count"`
	TopK          uint64  `json:"top_k"`
	CancelAfter   int     `json:"cancel_after"`
	HeaderVersion int32   `json:"header_version"`
}

func (c *Case) options(instructionSet int32) *raw.Options {
	options := new(raw.Options)
	if err := call(func(e *raw.Error) int32 { return raw.OptionsInit(options, e) }); err != nil {
		panic(err)
	}
	options.NumThreads, options.InstructionSet = c.NumThreads, instructionSet
	return options
}

type runner struct {
	*Case
	options *raw.Options
	result  map[string]any
}

func (r *runner) run() {
	switch r.Op {
	case "library":
		r.library()
	case "preset":
		r.text("preset", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.ConfigPreset(r.Preset, b, n, e) })
	case "config":
		r.config()
	case "file":
		if err := os.WriteFile(r.Path, []byte(r.Text), 0o644); err != nil {
			panic(err)
		}
		r.result["file"] = fileHash(r.Path)
	case "dataset":
		r.dataset()
	case "layer":
		r.layer()
	case "model":
		r.model()
	case "train":
		r.train()
	case "analyse":
		r.analyse()
	case "health_check":
		r.text("health", func(b []byte, n *uint64, e *raw.Error) int32 {
			return raw.HealthCheck([]byte(r.Log), []byte(r.JSON), b, n, e)
		})
	case "load_statistics":
		r.text("statistics", func(b []byte, n *uint64, e *raw.Error) int32 {
			return raw.LoadStatistics(r.Load, r.TopK, b, n, e)
		})
	case "compare_verdict":
		r.text("verdict", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.CompareVerdict([]byte(r.JSON), b, n, e) })
	case "compare_findings":
		r.text("findings", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.CompareFindings([]byte(r.JSON), b, n, e) })
	case "run_findings":
		r.text("findings", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.RunFindings([]byte(r.JSON), b, n, e) })
	case "break_findings":
		r.text("findings", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.BreakFindings([]byte(r.JSON), b, n, e) })
	case "status":
		r.status()
	default:
		panic("unknown operation " + r.Op)
	}
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: golden manifest.json results.json")
		os.Exit(2)
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var manifest struct {
		Format         int
		InstructionSet int32 `json:"instruction_set"`
		Exempt         map[string]map[string]string
		Cases          []Case
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		panic(err)
	}
	if manifest.Format != 1 {
		panic("a manifest of another format")
	}
	results := map[string]map[string]any{}
	for i := range manifest.Cases {
		c := &manifest.Cases[i]
		if _, exempt := manifest.Exempt[c.Name]["go"]; exempt {
			continue
		}
		r := &runner{Case: c, options: c.options(manifest.InstructionSet), result: map[string]any{}}
		r.run()
		results[c.Name] = r.result
	}
	written, err := json.Marshal(map[string]any{"format": 1, "language": "go", "results": results})
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(os.Args[2], written, 0o644); err != nil {
		panic(err)
	}
}
