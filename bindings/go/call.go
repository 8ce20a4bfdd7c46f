// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"sync"

	"minimoe/internal/raw"
)

// headerVersion is MINIMOE_VERSION_NUMBER of the header that internal/raw was generated from.
const headerVersion = int32(raw.MINIMOE_VERSION_NUMBER)

var checkVersion = sync.OnceValue(func() error {
	e := new(raw.Error)
	return failure("minimoe", raw.CheckVersion(headerVersion, e), e)
})

// 1,032 bytes each, so they are used again.
var errorPool = sync.Pool{New: func() any { return new(raw.Error) }}

func failure(op string, status int32, e *raw.Error) error {
	if int(status) == raw.MINIMOE_OK {
		return nil
	}
	return &Error{Code: Code(status), Op: op, Message: e.Text()}
}

// try runs a call of C and makes an error of its status. The first one finds out whether the library fits this package.
func try(op string, call func(e *raw.Error) int32) error {
	if err := checkVersion(); err != nil {
		return err
	}
	e := errorPool.Get().(*raw.Error)
	e.Message[0] = 0
	err := failure(op, call(e), e)
	errorPool.Put(e)
	return err
}

// grow calls fill with a slice of `expect` elements, and again with as many as are needed.
func grow[E any](op string, expect int, fill func(out []E, needed *uint64, e *raw.Error) int32) ([]E, error) {
	out := make([]E, expect)
	for {
		var needed uint64
		err := try(op, func(e *raw.Error) int32 { return fill(out, &needed, e) })
		if err == nil {
			return out[:needed], nil
		}
		if err.(*Error).Code != ErrBufferTooSmall || needed <= uint64(len(out)) {
			return nil, err
		}
		out = make([]E, needed)
	}
}

// The first kilobyte holds almost every document that the library writes.
const firstTextSize = 1024

// text is the result of a call that writes one, without its final NUL.
func text(op string, fill func(buf []byte, needed *uint64, e *raw.Error) int32) ([]byte, error) {
	out, err := grow(op, firstTextSize, fill)
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out, []byte{0}), nil
}

// document is a text that is JSON, as a T. A key that T has no field for is passed over: libraries grow.
func document[T any](op string, fill func(buf []byte, needed *uint64, e *raw.Error) int32) (T, error) {
	var value T
	written, err := text(op, fill)
	if err != nil {
		return value, err
	}
	if err := json.Unmarshal(written, &value); err != nil {
		return value, &Error{Code: ErrInternal, Op: op, Message: err.Error(), causes: []error{err}}
	}
	if kept, ok := any(&value).(keepsJSON); ok {
		kept.keepJSON(written)
	}
	return value, nil
}

// keepsJSON is a report that can show the library's own text.
type keepsJSON interface{ keepJSON([]byte) }

func encode(op string, value any) ([]byte, error) {
	written, err := json.Marshal(value)
	if err != nil { // a NaN or an infinity
		return nil, &Error{Code: ErrInvalidArgument, Op: op, Message: err.Error(), causes: []error{err}}
	}
	return written, nil
}

// A NUL inside would silently cut a name.
func checkName(op, what, name string) error {
	if at := strings.IndexByte(name, 0); at >= 0 {
		return refuse(op, what+" "+strconv.Quote(name)+" holds a NUL byte")
	}
	return nil
}

// count is a number of elements; C has no negative ones.
func count(op, what string, value int) (uint64, error) {
	if value < 0 {
		return 0, refuse(op, what+" is "+strconv.Itoa(value)+", expected 0 or more")
	}
	return uint64(value), nil
}
