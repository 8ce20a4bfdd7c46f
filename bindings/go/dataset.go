// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"runtime"

	"minimoe/internal/raw"
)

// Dataset gives tokens to train on and to evaluate with. It reads itself only, but for Append, which writes.
//
// A split is "train", "val", "held-out-verbs" or "held-out-combinations"; the latter two exist in the grammar corpus.
type Dataset struct {
	handle *handle[raw.Dataset]
	sink   *logSink
}

// MemoryConfig describes a dataset of the caller's own tokens.
type MemoryConfig struct {
	VocabSize   int      `json:"vocab_size"`             // tokens are 0..VocabSize-1; required
	ValFraction *float64 `json:"val_fraction,omitempty"` // share of the tokens, at the end, for "val": 0..0.5; nil: 0.1
	Name        string   `json:"name,omitempty"`         // "": "memory"
	ClassNames  []string `json:"class_names,omitempty"`  // at most 256; then each token has a class
}

// OpenDataset opens what the data part of a configuration names: the embedded grammar corpus, or a file (UTF-8 text,
// CoNLL-U, nanoGPT .bin). Token ids are the bytes of a text file, words of the grammar corpus and of CoNLL-U, the numbers
// of a .bin file. Files of models do not hold the words: encode and decode with the dataset a model was trained on.
func OpenDataset(config Config, opts ...Option) (*Dataset, error) {
	const op = "OpenDataset"
	written, err := encode(op, config)
	if err != nil {
		return nil, err
	}
	return newDataset(op, opts, func(options *raw.Options, out *raw.Dataset, e *raw.Error) int32 {
		return raw.DatasetOpen(written, options, out, e)
	})
}

// NewDataset makes an empty dataset in memory, for [Dataset.Append].
func NewDataset(config MemoryConfig, opts ...Option) (*Dataset, error) {
	const op = "NewDataset"
	written, err := encode(op, config)
	if err != nil {
		return nil, err
	}
	return newDataset(op, opts, func(options *raw.Options, out *raw.Dataset, e *raw.Error) int32 {
		return raw.DatasetCreate(written, options, out, e)
	})
}

// Token is what a dataset can be made of.
type Token interface{ int32 | uint16 }

// BorrowDataset is a dataset over the caller's slices, without a copy: they are pinned, and must not change, until the
// dataset and the trainers on it are gone. classes is nil for a config without class names.
func BorrowDataset[T Token](config MemoryConfig, tokens []T, classes []uint8) (*Dataset, error) {
	const op = "BorrowDataset"
	written, err := encode(op, config)
	if err != nil {
		return nil, err
	}
	pinner := new(runtime.Pinner)
	pin(pinner, tokens)
	pin(pinner, classes)
	release := raw.RegisterRelease(pinner.Unpin)
	var ref raw.Dataset
	err = try(op, func(e *raw.Error) int32 {
		switch tokens := any(tokens).(type) {
		case []int32:
			return raw.DatasetBorrowI32(written, tokens, classes, raw.ReleaseFunction, release, &ref, e)
		case []uint16:
			return raw.DatasetBorrowU16(written, tokens, classes, raw.ReleaseFunction, release, &ref, e)
		}
		panic("unreachable")
	})
	if err != nil {
		raw.Unregister(release)
		pinner.Unpin()
		return nil, err
	}
	return ownDataset(ref, nil), nil
}

func newDataset(op string, opts []Option,
	create func(options *raw.Options, out *raw.Dataset, e *raw.Error) int32) (*Dataset, error) {
	options, sink, err := resolve(op, opts)
	if err != nil {
		return nil, err
	}
	var ref raw.Dataset
	if err := try(op, func(e *raw.Error) int32 { return create(options, &ref, e) }); err != nil {
		sink.release()
		return nil, err
	}
	return ownDataset(ref, sink), nil
}

func ownDataset(ref raw.Dataset, sink *logSink) *Dataset {
	d := &Dataset{handle: newHandle(ref, raw.DatasetFree, sink.release), sink: sink}
	closeWith(d, d.handle)
	return d
}

// Close frees the dataset, once trainers on it are gone too. It never fails.
func (d *Dataset) Close() error {
	d.handle.close()
	return nil
}

// Append adds tokens to a dataset of [NewDataset]. classes has each token's class, exactly when the dataset has class
// names, and is nil otherwise. Training windows are drawn from all tokens, so one of the same seed and index may be
// another afterwards.
func (d *Dataset) Append(tokens []int32, classes []uint8) error {
	return d.handle.try("Dataset.Append", func(ref raw.Dataset, e *raw.Error) int32 {
		return raw.DatasetAppendI32(ref, tokens, classes, e)
	})
}

// AppendUint16 is Append of narrow tokens.
func (d *Dataset) AppendUint16(tokens []uint16, classes []uint8) error {
	return d.handle.try("Dataset.AppendUint16", func(ref raw.Dataset, e *raw.Error) int32 {
		return raw.DatasetAppendU16(ref, tokens, classes, e)
	})
}

// DatasetInfo describes a dataset.
type DatasetInfo struct {
	Name        string   `json:"name"`
	SHA256      string   `json:"sha256"` // "" for a dataset in memory
	VocabSize   int      `json:"vocab_size"`
	ClassNames  []string `json:"class_names"`
	MemoryBytes int64    `json:"memory_bytes"`
	Splits      []string `json:"splits"` // those with evaluation windows of some length
}

// Info describes the dataset.
func (d *Dataset) Info() (DatasetInfo, error) {
	return documentOf[DatasetInfo](d.handle, "Dataset.Info", raw.DatasetInfo)
}

// Fit gives config with Model.VocabSize set to that of the dataset where it was 0. It fails when token ids would not fit
// the model, or when there is no training window of Train.SeqLen.
func (d *Dataset) Fit(config Config) (Config, error) {
	const op = "Dataset.Fit"
	written, err := encode(op, config)
	if err != nil {
		return Config{}, err
	}
	return documentOf[Config](d.handle, op, func(ref raw.Dataset, buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.DatasetFitConfig(ref, written, buf, needed, e)
	})
}
