// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Enough for calls to cost nothing, and little beside what a dataset holds.
const readerChunk = 1 << 16

// ReadText appends what r gives, a token a byte, until io.EOF, and says how many that were. The dataset is one of
// [NewDataset] with a VocabSize of 256 and no class names. What was appended before an error stays.
func (d *Dataset) ReadText(r io.Reader) (int64, error) {
	return d.read("Dataset.ReadText", r, 1, func(bytes []byte, tokens []uint16) {
		for i, b := range bytes {
			tokens[i] = uint16(b)
		}
	})
}

// ReadUint16 appends little-endian 16-bit tokens, the format of nanoGPT's .bin files. Half a token at the end is
// io.ErrUnexpectedEOF.
func (d *Dataset) ReadUint16(r io.Reader) (int64, error) {
	return d.read("Dataset.ReadUint16", r, 2, func(bytes []byte, tokens []uint16) {
		for i := range tokens {
			tokens[i] = binary.LittleEndian.Uint16(bytes[2*i:])
		}
	})
}

func (d *Dataset) read(op string, r io.Reader, width int, convert func(bytes []byte, tokens []uint16)) (int64, error) {
	if r == nil {
		return 0, refuse(op, "the reader is nil")
	}
	bytes := make([]byte, readerChunk*width)
	tokens := make([]uint16, readerChunk)
	var total int64
	for {
		n, err := io.ReadFull(r, bytes)
		whole := tokens[:n/width]
		convert(bytes[:len(whole)*width], whole)
		if len(whole) > 0 {
			if err := d.AppendUint16(whole, nil); err != nil {
				return total, err
			}
			total += int64(len(whole))
		}
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			if n%width != 0 {
				return total, fmt.Errorf("minimoe: %s: half a token at the end: %w", op, io.ErrUnexpectedEOF)
			}
			return total, nil
		case err != nil:
			return total, fmt.Errorf("minimoe: %s: %w", op, err)
		}
	}
}
