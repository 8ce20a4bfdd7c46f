// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"

	"minimoe/internal/raw"
)

// Option says how an object computes and whom it tells. None of them changes a result, but for the instruction set and
// the backend, which change its rounding.
type Option func(*options)

type options struct {
	raw    *raw.Options // on its own, since C gets it, which must not see a pointer of Go's
	logger *slog.Logger
	wrong  string // the first option that no object can have
}

// InstructionSet is what the kernels are compiled for.
type InstructionSet int32

// Instruction sets, in rising order.
const (
	InstructionsAuto   = InstructionSet(raw.MINIMOE_INSTRUCTIONS_AUTO)   // the best that this CPU has
	InstructionsScalar = InstructionSet(raw.MINIMOE_INSTRUCTIONS_SCALAR) // portable code
	InstructionsSSE4   = InstructionSet(raw.MINIMOE_INSTRUCTIONS_SSE4)   // SSE4.2
	InstructionsAVX2   = InstructionSet(raw.MINIMOE_INSTRUCTIONS_AVX2)   // AVX2 and FMA
	InstructionsAVX512 = InstructionSet(raw.MINIMOE_INSTRUCTIONS_AVX512) // AVX-512
)

// MatmulBackend multiplies matrices.
type MatmulBackend int32

// Backends. BuildInfo lists those that the library was built with.
const (
	MatmulNative = MatmulBackend(raw.MINIMOE_MATMUL_NATIVE) // the library's own; the same bits for any number of threads
	MatmulBLAS   = MatmulBackend(raw.MINIMOE_MATMUL_BLAS)
)

// WithThreads sets the number of threads, 1..256; 0, the default, is one per available core.
func WithThreads(num int) Option {
	return func(o *options) {
		if num < 0 || num > 256 {
			o.refuse("WithThreads: num is " + strconv.Itoa(num) + ", expected 0..256")
		}
		o.raw.NumThreads = int32(num)
	}
}

// WithInstructionSet asks for one that may be less than the CPU's best.
func WithInstructionSet(set InstructionSet) Option {
	return func(o *options) { o.raw.InstructionSet = int32(set) }
}

// WithMatmulBackend chooses what multiplies matrices.
func WithMatmulBackend(backend MatmulBackend) Option {
	return func(o *options) { o.raw.MatmulBackend = int32(backend) }
}

// WithLogger tells logger what the object does: warnings, at the level Info of objects made and files written, and at
// Debug of every micro-batch. Which of these are asked for is found out once, when the object is made.
//
// The handler runs on the goroutine inside the call it tells of. It must not use the object, which is busy. What it
// panics with is dropped, since the library is below it on the stack.
func WithLogger(logger *slog.Logger) Option {
	return func(o *options) {
		if logger == nil {
			o.refuse("WithLogger: logger is nil")
		}
		o.logger = logger
	}
}

func (o *options) refuse(message string) {
	if o.wrong == "" {
		o.wrong = message
	}
}

// resolve gives what C wants, and the sink of its log lines, which the new object then owns.
func resolve(op string, opts []Option) (*raw.Options, *logSink, error) {
	o := &options{raw: new(raw.Options)}
	if err := try(op, func(e *raw.Error) int32 { return raw.OptionsInit(o.raw, e) }); err != nil {
		return nil, nil, err
	}
	for _, option := range opts {
		if option == nil {
			return nil, nil, refuse(op, "an Option is nil")
		}
		option(o)
	}
	if o.wrong != "" {
		return nil, nil, refuse(op, o.wrong)
	}
	if o.logger == nil {
		return o.raw, nil, nil
	}
	sink := newLogSink(o.logger)
	o.raw.Log, o.raw.LogUserData, o.raw.LogLevel = raw.LogFunction, sink.id, logLevel(o.logger)
	return o.raw, sink, nil
}

// logSink is a logger that C knows, for as long as an object may tell it something: one that was made with it, and a
// trainer, cache or view that keeps such an object alive.
type logSink struct {
	id     uintptr
	owners atomic.Int64
}

func newLogSink(logger *slog.Logger) *logSink {
	sink := &logSink{id: raw.RegisterLog(func(level int32, message string) {
		logger.Log(context.Background(), slogLevel(int(level)), message)
	})}
	sink.owners.Store(1)
	return sink
}

func (s *logSink) retain() *logSink {
	if s != nil {
		s.owners.Add(1)
	}
	return s
}

func (s *logSink) release() {
	if s != nil && s.owners.Add(-1) == 0 {
		raw.Unregister(s.id)
	}
}

func slogLevel(level int) slog.Level {
	switch {
	case level <= raw.MINIMOE_LOG_WARNING:
		return slog.LevelWarn
	case level == raw.MINIMOE_LOG_INFO:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func logLevel(logger *slog.Logger) int32 {
	for level := raw.MINIMOE_LOG_TRACE; level > raw.MINIMOE_LOG_WARNING; level-- {
		if logger.Enabled(context.Background(), slogLevel(level)) {
			return int32(level)
		}
	}
	return int32(raw.MINIMOE_LOG_WARNING)
}
