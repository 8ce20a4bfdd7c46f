// SPDX-License-Identifier: Apache-2.0

// Package minimoe trains, watches and embeds Mixture-of-Experts models on a CPU. It is a binding of libminimoe, which
// cgo finds by pkg-config.
//
// A [Dataset] gives tokens, a [Model] is a language model of MoE or dense blocks, a [Trainer] trains the one on the
// other, and [MoELayer] with [MoECache] is the bare layer for a program that has its own model and loop. A [Config] says
// what all of these are; start from [Preset] or [DefaultConfig] and change fields.
//
// # Errors
//
// What the library refuses is an [*Error]. Its kind is a [Code], to be asked for with errors.Is:
//
//	if errors.Is(err, minimoe.ErrShape) { ... }
//
// A call that ended because its context did is ErrCancelled and context.Canceled (or context.DeadlineExceeded) at once.
//
// # Goroutines
//
// Distinct objects are independent. Calls on one object that only read it run side by side; a call that writes (training
// writes to its model too) runs alone; a call that cannot have its side returns ErrBusy at once, and nothing is queued.
// The number of threads changes speed, never a bit of a result.
//
// # Lifetimes
//
// Close frees an object; an object that is dropped without it is freed after the garbage collector has found it. Close
// may be called at any time, from any goroutine, more than once, and in any order between objects: a call that is
// running goes on to its end first, later calls get [ErrClosed].
//
// Slices are lent to the library for the call, never copied and never kept, but for two: [MoELayer.BindParameter] and
// [MoELayer.BindGradient], and [BorrowDataset], pin what they are given for as long as they use it.
package minimoe
