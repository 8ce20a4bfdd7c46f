// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"context"

	"minimoe/internal/raw"
)

// Model is a language model. Its methods read it and run side by side, but for SetParameter, LoadStateDict and
// LoadWeights, which write; while a trainer is inside a step, all but Generation are ErrBusy.
type Model struct {
	handle *handle[raw.Model]
	sink   *logSink
}

// NewModel makes a model with the start values of Train.Seed. Model.VocabSize must not be 0: see [Dataset.Fit].
func NewModel(config Config, opts ...Option) (*Model, error) {
	const op = "NewModel"
	written, err := encode(op, config)
	if err != nil {
		return nil, err
	}
	return newModel(op, opts, func(options *raw.Options, out *raw.Model, e *raw.Error) int32 {
		return raw.ModelCreate(written, options, out, e)
	})
}

// LoadModel reads a file of [Model.Save] or [Trainer.Save]: ErrCorruptFile, before anything is allocated for it, when
// the file cannot hold the model that it names.
func LoadModel(path string, opts ...Option) (*Model, error) {
	const op = "LoadModel"
	if err := checkName(op, "path", path); err != nil {
		return nil, err
	}
	return newModel(op, opts, func(options *raw.Options, out *raw.Model, e *raw.Error) int32 {
		return raw.ModelLoad(path, options, out, e)
	})
}

func newModel(op string, opts []Option,
	create func(options *raw.Options, out *raw.Model, e *raw.Error) int32) (*Model, error) {
	options, sink, err := resolve(op, opts)
	if err != nil {
		return nil, err
	}
	var ref raw.Model
	if err := try(op, func(e *raw.Error) int32 { return create(options, &ref, e) }); err != nil {
		sink.release()
		return nil, err
	}
	m := &Model{handle: newHandle(ref, raw.ModelFree, sink.release), sink: sink}
	closeWith(m, m.handle)
	return m, nil
}

// Close frees the model, once its trainer and views are gone too. It never fails.
func (m *Model) Close() error {
	m.handle.close()
	return nil
}

// Config is the resolved configuration, whole.
func (m *Model) Config() (Config, error) {
	return documentOf[Config](m.handle, "Model.Config", raw.ModelConfig)
}

// ModelInfo is how a model computes, and how large it is.
type ModelInfo struct {
	NumThreads       int    `json:"num_threads"`
	InstructionSet   string `json:"instruction_set"`
	MatmulBackend    string `json:"matmul_backend"`
	TotalParameters  int64  `json:"total_parameters"`
	ActiveParameters int64  `json:"active_parameters"` // those a token passes through
	MoEBlocks        []int  `json:"moe_blocks"`
}

// Info describes the model.
func (m *Model) Info() (ModelInfo, error) {
	return documentOf[ModelInfo](m.handle, "Model.Info", raw.ModelInfo)
}

// Batch is sequences of tokens, all of one length.
type Batch struct {
	Tokens []int32 // [B * SeqLen]
	SeqLen int
	Valid  []uint8 // [B * SeqLen], 0 marks padding, on the right of a sequence; nil: there is none
}

// Forward gives the logits of every position, [B * SeqLen, V].
func (m *Model) Forward(batch Batch) ([]float32, error) {
	const op = "Model.Forward"
	seqLen, err := count(op, "SeqLen", batch.SeqLen)
	if err != nil {
		return nil, err
	}
	return growOf(m.handle, op, 0, func(ref raw.Model, values []float32, needed *uint64, e *raw.Error) int32 {
		return raw.ModelForward(ref, batch.Tokens, batch.Valid, seqLen, values, needed, e)
	})
}

// ForwardInto is Forward into the caller's slice, and gives the number of logits: ErrBufferTooSmall when there are more
// than the slice has room for. It allocates nothing.
func (m *Model) ForwardInto(logits []float32, batch Batch) (int, error) {
	const op = "Model.ForwardInto"
	seqLen, err := count(op, "SeqLen", batch.SeqLen)
	if err != nil {
		return 0, err
	}
	var needed uint64
	err = m.handle.try(op, func(ref raw.Model, e *raw.Error) int32 {
		return raw.ModelForward(ref, batch.Tokens, batch.Valid, seqLen, logits, &needed, e)
	})
	return int(needed), err
}

// GenerateOptions say how a text goes on. A nil field is the default.
type GenerateOptions struct {
	MaxNewTokens *int     `json:"max_new_tokens,omitempty"` // 64
	Temperature  *float64 `json:"temperature,omitempty"`    // 1; 0: greedy
	TopK         int      `json:"top_k,omitempty"`          // 0: all
	TopP         *float64 `json:"top_p,omitempty"`          // 1: all; the likeliest that hold this much of the probability
	Seed         uint64   `json:"seed,omitempty"`
	StopToken    *int32   `json:"stop_token,omitempty"` // ends the text and is included; none
	WhenFull     string   `json:"when_full,omitempty"`  // at Model.MaxSeqLen the context slides ("slide") or the text ends ("stop")
	// A second copy of the weights, read faster; nil: from 64 new tokens on, where it takes at most 1 GiB.
	PackWeights *bool `json:"pack_weights,omitempty"`
}

// Generate continues a prompt of at least one token, of which the last Model.MaxSeqLen are looked at, and gives the new
// tokens. [Dataset.Encode] makes a prompt, [Dataset.Decode] a text of the answer.
func (m *Model) Generate(ctx context.Context, prompt []int32, opts GenerateOptions) ([]int32, error) {
	const op = "Model.Generate"
	written, err := encode(op, opts)
	if err != nil {
		return nil, err
	}
	var ids []int32
	err = cancellable(ctx, op, func(cancel raw.CancelToken) error {
		var err error
		ids, err = growOf(m.handle, op, 0, func(ref raw.Model, ids []int32, needed *uint64, e *raw.Error) int32 {
			return raw.ModelGenerate(ref, prompt, written, cancel, ids, needed, e)
		})
		return err
	})
	return ids, err
}

// ProbeResult is how many questions of a kind were answered exactly.
type ProbeResult struct {
	Kind    string `json:"kind"`
	Correct int    `json:"correct"`
	Asked   int    `json:"asked"`
	Skipped int    `json:"skipped"` // longer than the context
}

// AnswerProbes asks at most maxCount questions of a split and answers them by greedy decoding.
func (m *Model) AnswerProbes(ctx context.Context, dataset *Dataset, split string, maxCount int) ([]ProbeResult, error) {
	const op = "Model.AnswerProbes"
	most, err := count(op, "maxCount", maxCount)
	if err != nil {
		return nil, err
	}
	return judge[[]ProbeResult](ctx, op, m, dataset, split,
		func(model raw.Model, data raw.Dataset, cancel raw.CancelToken, buf []byte, needed *uint64, e *raw.Error) int32 {
			return raw.ModelAnswerProbes(model, data, split, most, cancel, buf, needed, e)
		})
}

// judge is a call that looks at a model on a split of a dataset.
func judge[D any](ctx context.Context, op string, m *Model, dataset *Dataset, split string,
	call func(raw.Model, raw.Dataset, raw.CancelToken, []byte, *uint64, *raw.Error) int32) (D, error) {
	var result D
	if err := checkName(op, "split", split); err != nil {
		return result, err
	}
	if dataset == nil {
		return result, refuse(op, "dataset is nil")
	}
	err := cancellable(ctx, op, func(cancel raw.CancelToken) error {
		return dataset.handle.use(op, func(data raw.Dataset) error {
			var err error
			result, err = documentOf[D](m.handle, op,
				func(model raw.Model, buf []byte, needed *uint64, e *raw.Error) int32 {
					return call(model, data, cancel, buf, needed, e)
				})
			return err
		})
	})
	return result, err
}

// ImportModel makes a model of a directory of Hugging Face's transformers (model_type gpt2, llama, mixtral, qwen3_moe,
// ernie4_5_moe, olmoe or qwen2_moe), or of a GGUF file of the same: ErrUnsupported for a model that the library cannot
// compute, ErrShape with the tensors that do not fit.
func ImportModel(path string, opts ...Option) (*Model, error) {
	const op = "ImportModel"
	if err := checkName(op, "path", path); err != nil {
		return nil, err
	}
	return newModel(op, opts, func(options *raw.Options, out *raw.Model, e *raw.Error) int32 {
		return raw.ModelImport(path, options, out, e)
	})
}

// UpcycleOptions say what a dense model becomes. The zero value: 8 experts, 2 a token, in every block, the router drawn by
// the configuration's train.seed.
type UpcycleOptions struct {
	NumExperts    int     `json:"num_experts,omitempty"`
	TopK          int     `json:"top_k,omitempty"`
	Layers        []int   `json:"layers,omitempty"`     // blocks, ascending
	GateOrder     string  `json:"gate_order,omitempty"` // softmax_topk_renorm, topk_softmax, sigmoid_topk_renorm
	RouterInitStd float64 `json:"router_init_std,omitempty"`
	Seed          *uint64 `json:"seed,omitempty"`
}

// Upcycle makes a model whose experts are copies of this dense one's feed-forward networks, and whose logits are this
// one's, to rounding, until it is trained.
func (m *Model) Upcycle(upcycling UpcycleOptions, opts ...Option) (*Model, error) {
	const op = "Model.Upcycle"
	written, err := encode(op, upcycling)
	if err != nil {
		return nil, err
	}
	var made *Model
	err = m.handle.use(op, func(ref raw.Model) error {
		var err error
		made, err = newModel(op, opts, func(options *raw.Options, out *raw.Model, e *raw.Error) int32 {
			return raw.ModelUpcycle(ref, written, options, out, e)
		})
		return err
	})
	return made, err
}

// ExportOptions say for whom a model is written.
type ExportOptions struct {
	Format    string `json:"format,omitempty"`    // hf (default), gguf
	Tokenizer string `json:"tokenizer,omitempty"` // for gguf: a tokenizer.json of byte-level BPE
	Check     bool   `json:"check,omitempty"`     // write nothing: can the model, also after training, be written?
}

// Export writes the model for another program: config.json and model.safetensors for Hugging Face's transformers into the
// directory path, or the file path for llama.cpp. ErrUnsupported when no architecture there holds the model without loss.
func (m *Model) Export(path string, opts ExportOptions) error {
	const op = "Model.Export"
	if err := checkName(op, "path", path); err != nil {
		return err
	}
	written, err := encode(op, opts)
	if err != nil {
		return err
	}
	return m.handle.try(op, func(ref raw.Model, e *raw.Error) int32 { return raw.ModelExport(ref, written, path, e) })
}

// LogitsOptions choose what WriteLogits writes beside logits and loss.
type LogitsOptions struct {
	Router    bool `json:"router"`    // router logits, chosen experts and their weights
	Gradients bool `json:"gradients"` // of the loss
}

// WriteLogits writes what the model makes of tokens, sequences of seqLen, as a safetensors file.
func (m *Model) WriteLogits(tokens []int32, seqLen int, path string, opts LogitsOptions) error {
	const op = "Model.WriteLogits"
	if err := checkName(op, "path", path); err != nil {
		return err
	}
	length, err := count(op, "seqLen", seqLen)
	if err != nil {
		return err
	}
	written, err := encode(op, opts)
	if err != nil {
		return err
	}
	return m.handle.try(op, func(ref raw.Model, e *raw.Error) int32 {
		return raw.ModelWriteLogits(ref, tokens, length, written, path, e)
	})
}

// Save writes weights and configuration as safetensors; an earlier file is replaced only by a complete one.
func (m *Model) Save(path string) error {
	const op = "Model.Save"
	if err := checkName(op, "path", path); err != nil {
		return err
	}
	return m.handle.try(op, func(ref raw.Model, e *raw.Error) int32 { return raw.ModelSave(ref, path, e) })
}

// LoadWeights reads the weights of a file into this model: ErrShape for the file of another model, ErrCorruptFile for
// one that is damaged or cut off. The model is unchanged on failure, unless the disk fails while being read.
func (m *Model) LoadWeights(path string) error {
	const op = "Model.LoadWeights"
	if err := checkName(op, "path", path); err != nil {
		return err
	}
	return m.handle.try(op, func(ref raw.Model, e *raw.Error) int32 { return raw.ModelLoadWeights(ref, path, e) })
}
