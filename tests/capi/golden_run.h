/* SPDX-License-Identifier: Apache-2.0 */
/* A case of the golden set under way: its handles, and the writing of what a call gives. */
#ifndef MINIMOE_TESTS_GOLDEN_RUN_H_
#define MINIMOE_TESTS_GOLDEN_RUN_H_

#include <minimoe.h>

#include "golden_case.h"
#include "golden_results.h"

/* What a case makes; ended after it, whatever became of it. */
struct handles {
  minimoe_dataset *dataset;
  minimoe_model *model;
  minimoe_trainer *trainer;
  minimoe_moe_layer *layer;
  minimoe_moe_cache *cache;
  minimoe_cancel_token *token;
};

/* One case under way. A function that gives 0 has written {"create": error} or the like instead of results. */
struct run {
  const struct golden_case *c;
  struct results *out;
  struct handles h;
  minimoe_options options;
};

static void free_handles(struct handles *h) {
  minimoe_cancel_token_free(h->token);
  minimoe_moe_cache_free(h->cache);
  minimoe_moe_layer_free(h->layer);
  minimoe_trainer_free(h->trainer);
  minimoe_model_free(h->model);
  minimoe_dataset_free(h->dataset);
}

static int fail_case(struct run *run, const char *key, minimoe_status status, const minimoe_error *err) {
  run->out->size = 0;
  put_error(run->out, key, status, err);
  return 0;
}

/* A call without which the case has no results. */
#define CREATE(call)                                                          \
  do {                                                                        \
    minimoe_error err_ = {0, 0, ""}, *err = &err_;                            \
    const minimoe_status status_ = call;                                      \
    if (status_ != MINIMOE_OK) return fail_case(run, "create", status_, err); \
  } while (0)

/* Writes what a call gives, of elements `type`, or its error; the call has OUT where its outputs stand. */
#define OUT buf, cap, &needed, err
#define PUT(type, kind, key, call)                 \
  do {                                             \
    minimoe_error err_ = {0, 0, ""}, *err = &err_; \
    type *buf = NULL;                              \
    size_t cap = 0, needed = 0;                    \
    minimoe_status status_ = call;                 \
    if (status_ == MINIMOE_E_BUFFER_TOO_SMALL) {   \
      cap = needed;                                \
      buf = must_have(malloc(cap * sizeof(type))); \
      status_ = call;                              \
    }                                              \
    if (status_ == MINIMOE_OK) {                   \
      put_##kind(run->out, key, buf, needed);      \
    } else {                                       \
      put_error(run->out, key, status_, err);      \
    }                                              \
    free(buf);                                     \
  } while (0)
#define PUT_TEXT(key, call) PUT(char, char, key, call)
#define PUT_FLOATS(key, call) PUT(float, float, key, call)

/* The same of a call that gives one number in `value`. */
#define PUT_ONE(type, put, key, call)              \
  do {                                             \
    minimoe_error err_ = {0, 0, ""}, *err = &err_; \
    type value = 0;                                \
    const minimoe_status status_ = call;           \
    if (status_ == MINIMOE_OK) {                   \
      put;                                         \
    } else {                                       \
      put_error(run->out, key, status_, err);      \
    }                                              \
  } while (0)
#define PUT_INTEGER(type, key, call) PUT_ONE(type, put_integer(run->out, key, (int64_t)value), key, call)

static const char *text(const struct run *run, const char *key) { return text_of(run->c, key); }
static size_t size(const struct run *run, const char *key) { return size_of(run->c, key); }

/* A text and its length, as two arguments. */
#define JSON(key) text(run, key), strlen(text(run, key))

static uint8_t *make_valid(const struct run *run, size_t *count) {
  const char *list = text(run, "valid");
  uint8_t *valid = must_have(malloc(strlen(list) + 1));
  char word[8];
  for (*count = 0; next_word(&list, word, sizeof(word)); ++*count) valid[*count] = word[0] == '1';
  return valid;
}

static int open_dataset(struct run *run) {
  const char *kind = text(run, "kind");
  if (strcmp(kind, "open") == 0) {
    CREATE(minimoe_dataset_open(JSON("json"), &run->options, &run->h.dataset, err));
    return 1;
  }
  CREATE(minimoe_dataset_create(JSON("json"), &run->options, &run->h.dataset, err));
  const size_t count = size(run, "num_data"), num_classes = size(run, "num_classes");
  int32_t *tokens = make_tokens(integer_of(run->c, "data_tag"), count, integer_of(run->c, "vocab_size"));
  uint16_t *narrow = must_have(malloc((count + 1) * sizeof(*narrow)));
  uint8_t *classes = must_have(malloc(count + 1));
  for (size_t i = 0; i < count; ++i) {
    narrow[i] = (uint16_t)tokens[i];
    classes[i] = num_classes ? (uint8_t)((size_t)tokens[i] % num_classes) : 0;
  }
  const size_t of_classes = num_classes ? count : 0;
  minimoe_error said = {0, 0, ""};
  const minimoe_status status =
      strcmp(kind, "u16") == 0 ? minimoe_dataset_append_u16(run->h.dataset, narrow, count, classes, of_classes, &said)
                               : minimoe_dataset_append_i32(run->h.dataset, tokens, count, classes, of_classes, &said);
  free(tokens);
  free(narrow);
  free(classes);
  return status == MINIMOE_OK ? 1 : fail_case(run, "create", status, &said);
}

static int set_parameters(struct run *run) {
  const char *list = text(run, "parameters");
  char name[64], count[24], period[24], scale[40];
  for (int64_t tag = integer_of(run->c, "tag"); next_word(&list, name, sizeof(name)); ++tag) {
    next_word(&list, count, sizeof(count));
    next_word(&list, period, sizeof(period));
    next_word(&list, scale, sizeof(scale));
    const size_t size = (size_t)strtoll(count, NULL, 10);
    float *values = fill(tag, size, (size_t)strtoll(period, NULL, 10), strtod(scale, NULL));
    minimoe_error said = {0, 0, ""};
    const minimoe_status status = run->h.layer
                                      ? minimoe_moe_layer_parameter_set(run->h.layer, name, values, size, &said)
                                      : minimoe_model_parameter_set(run->h.model, name, values, size, &said);
    free(values);
    if (status != MINIMOE_OK) return fail_case(run, "create", status, &said);
  }
  return 1;
}

static void put_parameter_info(struct run *run, size_t count) {
  put_key(run->out, "parameter_info");
  print(run->out, "[");
  for (size_t i = 0; i < count; ++i) {
    char info[1024];
    minimoe_error said = {0, 0, ""};
    const minimoe_status status =
        run->h.layer ? minimoe_moe_layer_parameter_info(run->h.layer, i, info, sizeof(info), NULL, &said)
                     : minimoe_model_parameter_info(run->h.model, i, info, sizeof(info), NULL, &said);
    if (i) print(run->out, ",");
    print_string(run->out, status == MINIMOE_OK ? info : said.message);
  }
  print(run->out, "]");
}

static void put_parameters(struct run *run, const char *names, const char *prefix, int of_gradients) {
  char name[64], key[128];
  for (const char *list = text(run, names); next_word(&list, name, sizeof(name));) {
    snprintf(key, sizeof(key), "%s/%s", prefix, name);
    if (of_gradients) {
      PUT_FLOATS(key, minimoe_moe_layer_gradient_get(run->h.layer, name, OUT));
    } else {
      PUT_FLOATS(key, minimoe_model_parameter_get(run->h.model, name, OUT));
    }
  }
}

static void put_saved(struct run *run, const char *key, minimoe_status status, const minimoe_error *said) {
  if (status == MINIMOE_OK) {
    put_file(run->out, key, text(run, "path"));
  } else {
    put_error(run->out, key, status, said);
  }
  PUT_TEXT("checkpoint_info", minimoe_checkpoint_info(text(run, "path"), OUT));
}

#endif
