// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"minimoe/internal/counting"
)

// NumHandles is how many objects of C this package holds.
func NumHandles() int64 { return numHandles.Load() }

// WithCounting takes an object's memory from an allocator that counts.
func WithCounting() Option {
	return func(o *options) { o.raw.Allocate, o.raw.Deallocate = counting.Allocate(), counting.Deallocate() }
}
