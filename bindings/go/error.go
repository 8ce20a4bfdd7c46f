// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"context"
	"errors"
	"strings"

	"minimoe/internal/raw"
)

// Code is the kind of an [Error]. It is an error itself, for errors.Is.
type Code int32

// Kinds of errors. A library that is newer than this package may give others.
const (
	ErrInvalidArgument = Code(raw.MINIMOE_E_INVALID_ARGUMENT) // a value is outside what is allowed
	ErrOutOfMemory     = Code(raw.MINIMOE_E_OUT_OF_MEMORY)    // an allocation failed, or a thread could not be started
	ErrIO              = Code(raw.MINIMOE_E_IO)               // the operating system refused a file operation
	ErrCorruptFile     = Code(raw.MINIMOE_E_CORRUPT_FILE)     // a file's content is not what its format promises
	ErrNonFinite       = Code(raw.MINIMOE_E_NON_FINITE)       // a loss, gradient or logit is NaN or infinite
	ErrUnsupported     = Code(raw.MINIMOE_E_UNSUPPORTED)      // valid, but this build, machine or object cannot do it
	ErrInternal        = Code(raw.MINIMOE_E_INTERNAL)         // a bug of the library
	ErrShape           = Code(raw.MINIMOE_E_SHAPE)            // a count or shape does not fit the others, or the object
	ErrBufferTooSmall  = Code(raw.MINIMOE_E_BUFFER_TOO_SMALL) // a slice of the caller's is too short for the result
	ErrBusy            = Code(raw.MINIMOE_E_BUSY)             // another call is using the object, or the model already has a trainer
	ErrCancelled       = Code(raw.MINIMOE_E_CANCELLED)        // the context ended
	ErrForked          = Code(raw.MINIMOE_E_FORKED)           // the object was inside a call when the process was forked
	ErrVersion         = Code(raw.MINIMOE_E_VERSION)          // library and package do not fit together
)

// ErrClosed is what a call on an object after its Close gives, together with ErrInvalidArgument.
var ErrClosed = errors.New("minimoe: use of a closed object")

// String is the name of the status in C, "MINIMOE_E_BUSY".
func (c Code) String() string { return raw.StatusName(int32(c)) }

// Error is the name in words, "minimoe: busy".
func (c Code) Error() string {
	name := strings.TrimPrefix(strings.TrimPrefix(c.String(), "MINIMOE_"), "E_")
	return "minimoe: " + strings.ToLower(strings.ReplaceAll(name, "_", " "))
}

// Error is a call that the library refused or could not do. What the call would have changed is unchanged, unless its
// own documentation says otherwise.
type Error struct {
	Code    Code
	Op      string // the call, "Model.Forward"
	Message string // the library's: where, what came, what is allowed
	causes  []error
}

func (e *Error) Error() string {
	message := e.Message
	if strings.HasPrefix(message, "minimoe_") { // the same place again, by its name in C
		if _, rest, found := strings.Cut(message, ": "); found {
			message = rest
		}
	}
	if message == "" {
		message = e.Code.Error()
	}
	return "minimoe: " + e.Op + ": " + message
}

// Is reports whether target is the code of e.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == e.Code
}

// Unwrap gives what the error came from, if not from the library: the context's error, ErrClosed.
func (e *Error) Unwrap() []error { return e.causes }

func refuse(op, message string) error {
	return &Error{Code: ErrInvalidArgument, Op: op, Message: message}
}

func closed(op string) error {
	return &Error{Code: ErrInvalidArgument, Op: op, Message: "the object is closed", causes: []error{ErrClosed}}
}

// becauseOf tells what ended ctx, in the error that this led to.
func becauseOf(ctx context.Context, err error) error {
	var e *Error
	if errors.As(err, &e) && e.Code == ErrCancelled && ctx.Err() != nil {
		e.causes = []error{ctx.Err()}
		if cause := context.Cause(ctx); cause != ctx.Err() {
			e.causes = append(e.causes, cause)
		}
	}
	return err
}
