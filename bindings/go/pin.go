// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"runtime"
	"unsafe"
)

// pin keeps the memory of a slice where it is, and alive, until pinner lets go.
func pin[E any](pinner *runtime.Pinner, slice []E) {
	if cap(slice) > 0 {
		pinner.Pin(unsafe.SliceData(slice))
	}
}
