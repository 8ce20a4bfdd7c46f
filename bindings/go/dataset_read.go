// SPDX-License-Identifier: Apache-2.0

package minimoe

import "minimoe/internal/raw"

// Tokenizer is the dataset's alphabet as a tokenizer.json of Hugging Face's tokenizers, which gives the ids of Encode:
// ErrUnsupported for a dataset of numbers without a text.
func (d *Dataset) Tokenizer() ([]byte, error) {
	return textOf(d.handle, "Dataset.Tokenizer", raw.DatasetTokenizer)
}

// Encode gives the tokens of a text in the dataset's own alphabet. A dataset in memory reads decimal ids between white
// space.
func (d *Dataset) Encode(text string) ([]int32, error) {
	bytes := []byte(text)
	return growOf(d.handle, "Dataset.Encode", len(bytes),
		func(ref raw.Dataset, ids []int32, needed *uint64, e *raw.Error) int32 {
			return raw.DatasetEncode(ref, bytes, ids, needed, e)
		})
}

// Decode gives the text of tokens, for people; the inverse of Encode up to white space. Bytes that are not UTF-8, and
// NUL, become U+FFFD.
func (d *Dataset) Decode(tokens []int32) (string, error) {
	written, err := textOf(d.handle, "Dataset.Decode",
		func(ref raw.Dataset, buf []byte, needed *uint64, e *raw.Error) int32 {
			return raw.DatasetDecode(ref, tokens, buf, needed, e)
		})
	return string(written), err
}

// NumWindows is how many evaluation windows of seqLen + 1 tokens a split has: 0 for "train", whose windows have no end,
// and for a split that does not exist here.
func (d *Dataset) NumWindows(split string, seqLen int) (uint64, error) {
	const op = "Dataset.NumWindows"
	length, err := count(op, "seqLen", seqLen)
	if err == nil {
		err = checkName(op, "split", split)
	}
	if err != nil {
		return 0, err
	}
	var num uint64
	err = d.handle.try(op, func(ref raw.Dataset, e *raw.Error) int32 {
		return raw.DatasetNumWindows(ref, split, length, &num, e)
	})
	return num, err
}

// Window is seqLen + 1 tokens: inputs and, shifted by one, targets.
type Window struct {
	Tokens  []int32
	Classes []uint8 // as many, or none when the dataset has no class names
}

// Window gives window index of a split. seed chooses the stream of "train"; other splits ignore it. seqLen is 1..2^20.
func (d *Dataset) Window(split string, seed, index uint64, seqLen int) (Window, error) {
	const op = "Dataset.Window"
	length, err := count(op, "seqLen", seqLen)
	if err == nil && length > 1<<20 {
		err = refuse(op, "seqLen is above 2^20")
	}
	if err == nil {
		err = checkName(op, "split", split)
	}
	if err != nil {
		return Window{}, err
	}
	// Every dataset that has classes has one for each token, so the first call succeeds.
	classes := make([]uint8, length+1)
	var numClasses uint64
	tokens, err := growOf(d.handle, op, int(length)+1,
		func(ref raw.Dataset, ids []int32, needed *uint64, e *raw.Error) int32 {
			return raw.DatasetWindow(ref, split, seed, index, length, ids, needed, classes, &numClasses, e)
		})
	if err != nil {
		return Window{}, err
	}
	return Window{Tokens: tokens, Classes: classes[:numClasses]}, nil
}

// Sentence is one of the grammar corpus.
type Sentence struct {
	Tokens  []int32 `json:"tokens"`
	Classes []int   `json:"classes"`
	Kind    string  `json:"kind"`
}

// Sentence gives sentence index of a split: ErrUnsupported for a dataset that is not made of sentences.
func (d *Dataset) Sentence(split string, seed, index uint64) (Sentence, error) {
	const op = "Dataset.Sentence"
	if err := checkName(op, "split", split); err != nil {
		return Sentence{}, err
	}
	return documentOf[Sentence](d.handle, op, func(ref raw.Dataset, buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.DatasetSentence(ref, split, seed, index, buf, needed, e)
	})
}

// EntropyFloor is the mean loss, in nats a token, that no model can expect to go below on the first numWindows windows
// (0: all; of "train" 1 or more, and at most 2^22 tokens): ErrUnsupported where the true distribution is not known.
func (d *Dataset) EntropyFloor(split string, seqLen int, numWindows uint64) (float64, error) {
	const op = "Dataset.EntropyFloor"
	length, err := count(op, "seqLen", seqLen)
	if err == nil {
		err = checkName(op, "split", split)
	}
	if err != nil {
		return 0, err
	}
	var floor float64
	err = d.handle.try(op, func(ref raw.Dataset, e *raw.Error) int32 {
		return raw.DatasetEntropyFloor(ref, split, length, numWindows, &floor, e)
	})
	return floor, err
}
