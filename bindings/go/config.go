// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"bytes"
	"encoding/json"

	"minimoe/internal/raw"
)

// DefaultConfig has every default: a dense model of 2 blocks on the embedded grammar corpus, for 5,000 steps.
func DefaultConfig() (Config, error) { return ParseConfig(nil) }

// Preset gives a configuration by name: "lab" (2 blocks, block 1 an MoE layer with 4 experts, 2 a token; trains in a
// minute) or "lab-dense".
func Preset(name string) (Config, error) {
	const op = "Preset"
	if err := checkName(op, "name", name); err != nil {
		return Config{}, err
	}
	return document[Config](op, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.ConfigPreset(name, buf, needed, e)
	})
}

// ParseConfig reads a configuration in JSON, of which any key may be left out, as in
//
//	{"model": {"d_model": 64, "moe": {"layers": [1], "num_experts": 4}}}
//
// and fills in every default. "model.preset", "gpt2" or "llama", chooses those of the model. Every bad key is named.
func ParseConfig(text []byte) (Config, error) {
	return document[Config]("ParseConfig", func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.ConfigResolve(text, buf, needed, e)
	})
}

// Check reports every field that is outside its range, or does not fit the others, in one error.
func (c Config) Check() error {
	written, err := encode("Config.Check", c)
	if err != nil {
		return err
	}
	_, err = text("Config.Check", func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.ConfigResolve(written, buf, needed, e)
	})
	return err
}

// MarshalJSON writes a configuration as the library reads it: nil slices as empty ones.
func (c Config) MarshalJSON() ([]byte, error) {
	if c.Model.MoE.Layers == nil {
		c.Model.MoE.Layers = []int{}
	}
	if c.Model.MoE.RouterBiasInit == nil {
		c.Model.MoE.RouterBiasInit = []float64{}
	}
	if c.Data.Languages == nil {
		c.Data.Languages = []string{}
	}
	type fields Config
	return json.Marshal(fields(c))
}

// UnmarshalJSON reads a whole configuration. A key that this package does not know is an error: dropping it would give
// another configuration.
func (c *Config) UnmarshalJSON(text []byte) error {
	type fields Config
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	c.Model.AttentionOutputBias = true // what a text from before there was this key means
	return decoder.Decode((*fields)(c))
}

// ConfigKey describes one key of a configuration.
type ConfigKey struct {
	Key     string `json:"key"`     // "model.moe.top_k"
	Type    string `json:"type"`    // in words, with the range
	Default string `json:"default"` // in JSON
	Meaning string `json:"meaning"`
}

// ConfigKeys lists every key.
func ConfigKeys() ([]ConfigKey, error) { return document[[]ConfigKey]("ConfigKeys", raw.ConfigKeys) }

// Cost is how large a model is.
type Cost struct {
	TotalParameters    int64   `json:"total_parameters"`
	ActiveParameters   int64   `json:"active_parameters"` // those a token passes through
	TrainFlopsPerToken float64 `json:"train_flops_per_token"`
}

// Cost tells how large the model is. Model.VocabSize must not be 0: see [Dataset.Fit].
func (c Config) Cost() (Cost, error) {
	const op = "Config.Cost"
	written, err := encode(op, c)
	if err != nil {
		return Cost{}, err
	}
	return document[Cost](op, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.ConfigCost(written, buf, needed, e)
	})
}

// MemoryEstimate is what a model and its trainer take, in bytes.
type MemoryEstimate struct {
	Parameters  int64 `json:"parameters"`
	Gradients   int64 `json:"gradients"`
	Moments     int64 `json:"moments"`
	Activations int64 `json:"activations"`
	Workspace   int64 `json:"workspace"`
	Total       int64 `json:"total"`
}

// EstimateMemory tells what the model and its trainer will take, before they are made.
func (c Config) EstimateMemory(opts ...Option) (MemoryEstimate, error) {
	const op = "Config.EstimateMemory"
	written, err := encode(op, c)
	if err != nil {
		return MemoryEstimate{}, err
	}
	options, sink, err := resolve(op, opts)
	if err != nil {
		return MemoryEstimate{}, err
	}
	defer sink.release()
	return document[MemoryEstimate](op, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.ConfigEstimateMemory(written, options, buf, needed, e)
	})
}
