// SPDX-License-Identifier: Apache-2.0

// Package counting is an allocator for tests, which counts what the library holds.
package counting

/*
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

static atomic_llong num_blocks;

static void *allocate(void *user_data, size_t size, size_t alignment) {
  (void)user_data;
  void *memory = NULL;
  if (posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, size ? size : 1) != 0) return NULL;
  atomic_fetch_add(&num_blocks, 1);
  return memory;
}

static void deallocate(void *user_data, void *memory, size_t size, size_t alignment) {
  (void)user_data;
  (void)size;
  (void)alignment;
  atomic_fetch_sub(&num_blocks, 1);
  free(memory);
}

static uintptr_t allocate_function(void) { return (uintptr_t)allocate; }
static uintptr_t deallocate_function(void) { return (uintptr_t)deallocate; }
static long long blocks(void) { return atomic_load(&num_blocks); }
*/
import "C"

// Allocate and Deallocate are the addresses of the functions.
func Allocate() uintptr   { return uintptr(C.allocate_function()) }
func Deallocate() uintptr { return uintptr(C.deallocate_function()) }

// Blocks is how many blocks of memory are not given back.
func Blocks() int64 { return int64(C.blocks()) }
