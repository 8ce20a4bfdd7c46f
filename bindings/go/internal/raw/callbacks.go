// SPDX-License-Identifier: Apache-2.0

package raw

// #include "callbacks.h"
import "C"

import (
	"sync"
	"sync/atomic"
)

// What C holds of a Go function is a number in this table: an address of Go's must not stay with C, and a number that is
// no longer in the table is merely not answered.
var (
	callbacks    sync.Map // uintptr -> func
	lastCallback atomic.Uintptr
)

func register(function any) uintptr {
	id := lastCallback.Add(1)
	callbacks.Store(id, function)
	return id
}

// LogFunction is what [Options].Log is set to, with the number that RegisterLog gave as LogUserData.
var LogFunction = uintptr(C.minimoe_go_log_function())

// RegisterLog gives the number under which C calls sink, until Unregister. It is called on the goroutine that is inside
// the call which the line tells of, with C below it, so a panic of it ends here.
func RegisterLog(sink func(level int32, message string)) uintptr { return register(sink) }

// ReleaseFunction is what [DatasetBorrowI32] is given, with the number that RegisterRelease gave.
var ReleaseFunction = uintptr(C.minimoe_go_release_function())

// RegisterRelease gives the number under which C calls release, once.
func RegisterRelease(release func()) uintptr { return register(release) }

// Unregister forgets a number.
func Unregister(id uintptr) { callbacks.Delete(id) }

//export minimoeGoLog
func minimoeGoLog(id C.uintptr_t, level C.int32_t, message *C.char) {
	sink, ok := callbacks.Load(uintptr(id))
	if !ok {
		return
	}
	// C++ frames below would be skipped without their destructors, and a lock would stay held for ever.
	defer func() { _ = recover() }()
	sink.(func(int32, string))(int32(level), C.GoString(message))
}

//export minimoeGoRelease
func minimoeGoRelease(id C.uintptr_t) {
	if release, ok := callbacks.LoadAndDelete(uintptr(id)); ok {
		release.(func())()
	}
}

// NumCallbacks is how many numbers C may call.
func NumCallbacks() int {
	num := 0
	callbacks.Range(func(any, any) bool { num++; return true })
	return num
}
