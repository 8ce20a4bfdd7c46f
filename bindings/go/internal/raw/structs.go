// SPDX-License-Identifier: Apache-2.0

package raw

import "bytes"

// Handles, as addresses. 0 is NULL.
type (
	CancelToken uintptr
	Dataset     uintptr
	Model       uintptr
	MoELayer    uintptr
	MoECache    uintptr
	TokenStream uintptr
	Trainer     uintptr
)

// Error is minimoe_error.
type Error struct {
	Code     int32
	Reserved int32
	Message  [1024]byte
}

// Text is the message up to its NUL.
func (e *Error) Text() string {
	if end := bytes.IndexByte(e.Message[:], 0); end >= 0 {
		return string(e.Message[:end])
	}
	return string(e.Message[:])
}

// Options is minimoe_options. Functions and what they are handed are addresses of C.
type Options struct {
	StructSize        uint32
	NumThreads        int32
	InstructionSet    int32
	MatmulBackend     int32
	Allocate          uintptr
	Deallocate        uintptr
	AllocatorUserData uintptr
	Log               uintptr
	LogUserData       uintptr
	LogLevel          int32
	Reserved          int32
}

// TensorView is minimoe_tensor_view.
type TensorView struct {
	StructSize uint32
	NumDims    int32
	Shape      [4]int64
	Values     *float32
	NumValues  uint64
	Generation uint64
}

// StepMetrics is minimoe_step_metrics.
type StepMetrics struct {
	StructSize     uint32
	Reserved       uint32
	Step           int64
	Loss           float64
	AuxLoss        float64
	ZLoss          float64
	TotalLoss      float64
	LearningRate   float64
	GradientNorm   float64
	NumTokens      int64
	NumExtraPasses int64
}

// Evaluation is minimoe_evaluation.
type Evaluation struct {
	StructSize uint32
	Reserved   uint32
	Loss       float64
	NumTargets int64
	NumWindows int64
}

// RoutingMetrics is minimoe_routing_metrics.
type RoutingMetrics struct {
	StructSize   uint32
	Reserved     uint32
	NumTokens    int64
	NumDropped   int64
	AuxLoss      float64
	ZLoss        float64
	MaxViolation float64
	LoadEntropy  float64
}
