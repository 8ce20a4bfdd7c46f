/* SPDX-License-Identifier: Apache-2.0 */
/* The layout that every program compiled against minimoe.h relies on, on 64-bit platforms. A number here never changes;
 * a new field is a new line at the end of its struct. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "minimoe.h"

static int failures = 0;

static void same(const char *what, size_t is, size_t expected) {
  if (is == expected) return;
  printf("%s is %lu, was %lu\n", what, (unsigned long)is, (unsigned long)expected);
  ++failures;
}

#define OFFSET(type, field, expected) same("offset of " #type "." #field, offsetof(type, field), expected)
#define SIZE(type, expected) same("size of " #type, sizeof(type), expected)
#define LENGTH(type, field, expected) same("size of " #type "." #field, sizeof(((type *)0)->field), expected)

static void error_layout(void) {
  SIZE(minimoe_error, 1032);
  OFFSET(minimoe_error, code, 0);
  OFFSET(minimoe_error, reserved, 4);
  OFFSET(minimoe_error, message, 8);
  LENGTH(minimoe_error, message, 1024);
}

static void options_layout(void) {
  SIZE(minimoe_options, 64);
  OFFSET(minimoe_options, struct_size, 0);
  OFFSET(minimoe_options, num_threads, 4);
  OFFSET(minimoe_options, instruction_set, 8);
  OFFSET(minimoe_options, matmul_backend, 12);
  OFFSET(minimoe_options, allocate, 16);
  OFFSET(minimoe_options, deallocate, 24);
  OFFSET(minimoe_options, allocator_user_data, 32);
  OFFSET(minimoe_options, log, 40);
  OFFSET(minimoe_options, log_user_data, 48);
  OFFSET(minimoe_options, log_level, 56);
  OFFSET(minimoe_options, reserved, 60);
}

static void tensor_view_layout(void) {
  SIZE(minimoe_tensor_view, 64);
  OFFSET(minimoe_tensor_view, struct_size, 0);
  OFFSET(minimoe_tensor_view, num_dims, 4);
  OFFSET(minimoe_tensor_view, shape, 8);
  LENGTH(minimoe_tensor_view, shape, 32);
  OFFSET(minimoe_tensor_view, values, 40);
  OFFSET(minimoe_tensor_view, num_values, 48);
  OFFSET(minimoe_tensor_view, generation, 56);
}

static void step_metrics_layout(void) {
  SIZE(minimoe_step_metrics, 80);
  OFFSET(minimoe_step_metrics, struct_size, 0);
  OFFSET(minimoe_step_metrics, reserved, 4);
  OFFSET(minimoe_step_metrics, step, 8);
  OFFSET(minimoe_step_metrics, loss, 16);
  OFFSET(minimoe_step_metrics, aux_loss, 24);
  OFFSET(minimoe_step_metrics, z_loss, 32);
  OFFSET(minimoe_step_metrics, total_loss, 40);
  OFFSET(minimoe_step_metrics, learning_rate, 48);
  OFFSET(minimoe_step_metrics, gradient_norm, 56);
  OFFSET(minimoe_step_metrics, num_tokens, 64);
  OFFSET(minimoe_step_metrics, num_extra_passes, 72);
}

static void evaluation_layout(void) {
  SIZE(minimoe_evaluation, 32);
  OFFSET(minimoe_evaluation, struct_size, 0);
  OFFSET(minimoe_evaluation, reserved, 4);
  OFFSET(minimoe_evaluation, loss, 8);
  OFFSET(minimoe_evaluation, num_targets, 16);
  OFFSET(minimoe_evaluation, num_windows, 24);
}

static void routing_metrics_layout(void) {
  SIZE(minimoe_routing_metrics, 56);
  OFFSET(minimoe_routing_metrics, struct_size, 0);
  OFFSET(minimoe_routing_metrics, reserved, 4);
  OFFSET(minimoe_routing_metrics, num_tokens, 8);
  OFFSET(minimoe_routing_metrics, num_dropped, 16);
  OFFSET(minimoe_routing_metrics, aux_loss, 24);
  OFFSET(minimoe_routing_metrics, z_loss, 32);
  OFFSET(minimoe_routing_metrics, max_violation, 40);
  OFFSET(minimoe_routing_metrics, load_entropy, 48);
}

/* Status codes and choices are compiled into programs too. */
static void constants(void) {
  same("MINIMOE_E_VERSION", MINIMOE_E_VERSION, 13);
  same("MINIMOE_E_FORKED", MINIMOE_E_FORKED, 12);
  same("MINIMOE_E_CANCELLED", MINIMOE_E_CANCELLED, 11);
  same("MINIMOE_E_BUSY", MINIMOE_E_BUSY, 10);
  same("MINIMOE_E_BUFFER_TOO_SMALL", MINIMOE_E_BUFFER_TOO_SMALL, 9);
  same("MINIMOE_E_SHAPE", MINIMOE_E_SHAPE, 8);
  same("MINIMOE_E_INTERNAL", MINIMOE_E_INTERNAL, 7);
  same("MINIMOE_E_UNSUPPORTED", MINIMOE_E_UNSUPPORTED, 6);
  same("MINIMOE_E_NON_FINITE", MINIMOE_E_NON_FINITE, 5);
  same("MINIMOE_E_CORRUPT_FILE", MINIMOE_E_CORRUPT_FILE, 4);
  same("MINIMOE_E_IO", MINIMOE_E_IO, 3);
  same("MINIMOE_E_OUT_OF_MEMORY", MINIMOE_E_OUT_OF_MEMORY, 2);
  same("MINIMOE_E_INVALID_ARGUMENT", MINIMOE_E_INVALID_ARGUMENT, 1);
  same("MINIMOE_OK", MINIMOE_OK, 0);
  same("MINIMOE_INSTRUCTIONS_AVX512", MINIMOE_INSTRUCTIONS_AVX512, 4);
  same("MINIMOE_MATMUL_BLAS", MINIMOE_MATMUL_BLAS, 1);
  same("MINIMOE_LOG_TRACE", MINIMOE_LOG_TRACE, 3);
  same("MINIMOE_ROUTING_EVALUATION", MINIMOE_ROUTING_EVALUATION, 1);
}

int main(void) {
  if (sizeof(void *) != 8) return 77; /* the numbers are of 64-bit platforms */
  error_layout();
  options_layout();
  tensor_view_layout();
  step_metrics_layout();
  evaluation_layout();
  routing_metrics_layout();
  constants();
  printf("%d differences\n", failures);
  return failures != 0;
}
