/* SPDX-License-Identifier: Apache-2.0 */
#include "callbacks.h"

#include "_cgo_export.h"

static void log_line(void *user_data, int32_t level, const char *message) {
  minimoeGoLog((uintptr_t)user_data, level, (char *)message);
}

static void release(void *user_data) { minimoeGoRelease((uintptr_t)user_data); }

uintptr_t minimoe_go_log_function(void) { return (uintptr_t)log_line; }

uintptr_t minimoe_go_release_function(void) { return (uintptr_t)release; }
