// SPDX-License-Identifier: Apache-2.0

// Package raw is minimoe.h, function for function: raw.go and raw_wrap.c are generated from it by
// bindings/swig/regenerate.sh and checked in, the other files are written by hand. Slices are lent to C for the call and
// must not be kept there, handles are numbers that nothing here guards. Package minimoe is what to use.
package raw

// #cgo pkg-config: minimoe
import "C"
