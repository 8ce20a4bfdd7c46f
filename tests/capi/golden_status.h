/* SPDX-License-Identifier: Apache-2.0 */
/* Every status of the golden set, once. Needs POSIX. */
#ifndef MINIMOE_TESTS_GOLDEN_STATUS_H_
#define MINIMOE_TESTS_GOLDEN_STATUS_H_

#include <math.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "golden_run.h"

static void *train_until_stopped(void *argument) {
  const struct run *run = argument;
  minimoe_trainer_steps(run->h.trainer, integer_of(run->c, "steps"), run->h.token, NULL, 0, 0, NULL, NULL);
  return NULL;
}

/* Forks while another thread trains, until a child finds the model torn. */
static minimoe_status fork_while_training(struct run *run, minimoe_error *err) {
  const struct timespec pause = {0, 3000000};
  pthread_t training;
  minimoe_status found = MINIMOE_OK;
  if (minimoe_cancel_token_create(&run->h.token, err) != MINIMOE_OK) return err->code;
  if (pthread_create(&training, NULL, train_until_stopped, run) != 0) return MINIMOE_OK;
  while (found == MINIMOE_OK) {
    int ends[2];
    nanosleep(&pause, NULL);
    if (pipe(ends) != 0) break;
    const pid_t child = fork();
    if (child == 0) {
      minimoe_error told = {0, 0, ""};
      uint64_t generation = 0;
      told.code = minimoe_model_generation(run->h.model, &generation, &told);
      _exit(write(ends[1], &told, sizeof(told)) == (ssize_t)sizeof(told) ? 0 : 1);
    }
    close(ends[1]);
    if (child < 0 || read(ends[0], err, sizeof(*err)) != (ssize_t)sizeof(*err)) break;
    close(ends[0]);
    waitpid(child, NULL, 0);
    found = err->code;
  }
  minimoe_cancel_token_fire(run->h.token, NULL);
  pthread_join(training, NULL);
  return found;
}

/* The call that must fail; what leads up to it gives its own error if that fails already. */
static minimoe_status fail_as(struct run *run, const char *wanted, minimoe_error *err) {
#define FIRST(call)                            \
  do {                                         \
    const minimoe_status status_ = call;       \
    if (status_ != MINIMOE_OK) return status_; \
  } while (0)
#define IS(name) (strcmp(wanted, "MINIMOE_E_" name) == 0)
  struct handles *h = &run->h;
  float x[16] = {0}, y[16];
  if (IS("INVALID_ARGUMENT")) return minimoe_config_resolve(JSON("config"), NULL, 0, NULL, err);
  if (IS("IO") || IS("CORRUPT_FILE")) return minimoe_model_load(text(run, "path"), &run->options, &h->model, err);
  if (IS("VERSION")) return minimoe_check_version((int32_t)integer_of(run->c, "header_version"), err);
  if (IS("UNSUPPORTED")) {
    const int32_t token = 1;
    FIRST(minimoe_dataset_open(JSON("config"), &run->options, &h->dataset, err));
    return minimoe_dataset_append_i32(h->dataset, &token, 1, NULL, 0, err);
  }
  if (IS("OUT_OF_MEMORY") || IS("NON_FINITE") || IS("SHAPE") || IS("BUFFER_TOO_SMALL")) {
    FIRST(minimoe_moe_layer_create(JSON("config"), &run->options, &h->layer, err));
    if (IS("OUT_OF_MEMORY")) return minimoe_moe_cache_create(h->layer, size(run, "max_tokens"), &h->cache, err);
    const size_t count = size(run, "count");
    if (IS("NON_FINITE")) {
      for (size_t i = 0; i < count; ++i) x[i] = NAN;
      FIRST(minimoe_moe_cache_create(h->layer, 1, &h->cache, err));
      return minimoe_moe_layer_forward(h->layer, h->cache, x, count, NULL, 0, 0, y, count, NULL, err);
    }
    size_t needed = 0;
    const size_t room = IS("SHAPE") ? count : count - 1;
    const minimoe_status status = minimoe_moe_layer_infer(h->layer, x, count, NULL, 0, y, room, &needed, err);
    if (IS("BUFFER_TOO_SMALL")) put_integer(run->out, "needed", (int64_t)needed);
    return status;
  }
  FIRST(minimoe_model_create(JSON("config"), &run->options, &h->model, err));
  if (IS("CANCELLED")) {
    const int32_t token = 1;
    int32_t ids[64];
    FIRST(minimoe_cancel_token_create(&h->token, err));
    FIRST(minimoe_cancel_token_fire(h->token, err));
    return minimoe_model_generate(h->model, &token, 1, "{}", 2, h->token, ids, 64, NULL, err);
  }
  if (!open_dataset(run)) return MINIMOE_OK;
  FIRST(minimoe_trainer_create(h->model, h->dataset, JSON("config"), &h->trainer, err));
  if (IS("FORKED")) return fork_while_training(run, err);
  minimoe_trainer *second = NULL;
  return minimoe_trainer_create(h->model, h->dataset, JSON("config"), &second, err);
#undef IS
#undef FIRST
}

static int run_status(struct run *run) {
  minimoe_error err = {0, 0, ""};
  const minimoe_status status = fail_as(run, text(run, "status"), &err);
  put_error(run->out, "result", status, &err);
  return 1;
}

#endif
