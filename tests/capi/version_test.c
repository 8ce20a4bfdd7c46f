/* SPDX-License-Identifier: Apache-2.0 */
/* A caller whose structs are older or newer than the library's. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "minimoe.h"

static const char kConfig[] =
    "{\"model\": {\"vocab_size\": 16, \"max_seq_len\": 8, \"num_layers\": 1, \"d_model\": 8, \"num_heads\": 2,"
    " \"d_ff\": 8, \"moe\": {\"layers\": [0], \"num_experts\": 4, \"d_expert\": 8}},"
    " \"train\": {\"steps\": 8, \"batch_size\": 1, \"seq_len\": 8, \"warmup_steps\": 0}}";
static const char kData[] = "{\"vocab_size\": 16, \"val_fraction\": 0.25}";
static minimoe_error err;

static void check(int holds, const char *what, int line) {
  if (holds) return;
  printf("line %d: not true: %s (last error: %s)\n", line, what, err.message);
  exit(1);
}
#define CHECK(condition) check(condition, #condition, __LINE__)
#define OK(call) CHECK((call) == MINIMOE_OK)

/* What a later version could look like. */
typedef struct {
  minimoe_options known;
  uint64_t later[2];
} newer_options;
typedef struct {
  minimoe_step_metrics known;
  double later[2];
} newer_metrics;
typedef struct {
  minimoe_tensor_view known;
  uint64_t later;
} newer_view;

static int is_filled(const void *memory, size_t from, size_t to, int byte) {
  size_t i;
  for (i = from; i < to; i++) {
    if (((const unsigned char *)memory)[i] != (unsigned char)byte) return 0;
  }
  return 1;
}

static minimoe_status create(const minimoe_options *options) {
  minimoe_model *model = NULL;
  const minimoe_status status = minimoe_model_create(kConfig, strlen(kConfig), options, &model, &err);
  CHECK((status == MINIMOE_OK) == (model != NULL));
  minimoe_model_free(model);
  return status;
}

static void options_of_other_versions(void) {
  newer_options newer;
  minimoe_options older;
  OK(minimoe_options_init(&newer.known, sizeof newer, &err));
  CHECK(newer.known.struct_size == sizeof newer && is_filled(&newer, 4, sizeof newer, 0));
  OK(create(&newer.known)); /* newer fields at their default */
  newer.later[1] = 1;
  CHECK(create(&newer.known) == MINIMOE_E_VERSION);
  CHECK(strstr(err.message, minimoe_version_string()) != NULL);

  /* Only the first fields exist: what lies behind them is another variable of the caller's. */
  memset(&older, 0xee, sizeof older);
  OK(minimoe_options_init(&older, offsetof(minimoe_options, log), &err));
  CHECK(is_filled(&older, offsetof(minimoe_options, log), sizeof older, 0xee));
  older.num_threads = 1;
  OK(create(&older));
}

static void metrics_of_other_versions(minimoe_trainer *trainer) {
  newer_metrics newer[2];
  unsigned char older[3 * sizeof(minimoe_step_metrics)];
  const size_t old_size = offsetof(minimoe_step_metrics, gradient_norm);
  size_t count = 0;
  uint32_t size = 0;
  int64_t step = 0;
  memset(newer, 0xee, sizeof newer);
  OK(minimoe_trainer_steps(trainer, 2, NULL, &newer[0].known, sizeof newer[0], 2, &count, &err));
  CHECK(count == 2 && newer[0].known.step == 1 && newer[1].known.step == 2);
  CHECK(newer[0].known.struct_size == sizeof(minimoe_step_metrics));
  CHECK(newer[0].later[0] == 0 && newer[1].later[1] == 0);

  memset(older, 0xee, sizeof older);
  OK(minimoe_trainer_steps(trainer, 2, NULL, (minimoe_step_metrics *)(void *)older, old_size, 2, &count, &err));
  memcpy(&size, older + old_size, sizeof size);
  memcpy(&step, older + old_size + offsetof(minimoe_step_metrics, step), sizeof step);
  CHECK(size == old_size && step == 4);
  CHECK(is_filled(older, 2 * old_size, sizeof older, 0xee));
}

/* A stride that no struct will ever have is the size of an array. */
static void sizes_of_arrays(minimoe_trainer *trainer, const minimoe_model *model) {
  minimoe_step_metrics metrics[64];
  minimoe_evaluation evaluations[200];
  minimoe_tensor_view views[80];
  memset(metrics, 0xee, sizeof metrics);
  CHECK(minimoe_trainer_steps(trainer, 2, NULL, metrics, sizeof metrics, 64, NULL, &err) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(strstr(err.message, "metrics_size is 5120, which is that of one struct, not of the array") != NULL);
  CHECK(is_filled(metrics, 0, sizeof metrics, 0xee));
  CHECK(minimoe_trainer_evaluate(trainer, "val", 0, NULL, evaluations, sizeof evaluations, &err) ==
        MINIMOE_E_INVALID_ARGUMENT);
  CHECK(strstr(err.message, "evaluation_size is 6400, which is that of one struct, not of the array") != NULL);
  CHECK(minimoe_model_parameter_view(model, "head.weight", views, sizeof views, &err) == MINIMOE_E_INVALID_ARGUMENT);
  CHECK(strstr(err.message, "view_size is 5120, which is that of one struct, not of the array") != NULL);
}

static void view_of_other_versions(const minimoe_model *model) {
  newer_view newer;
  memset(&newer, 0xee, sizeof newer);
  OK(minimoe_model_parameter_view(model, "blocks.0.moe.router.weight", &newer.known, sizeof newer, &err));
  CHECK(newer.known.struct_size == sizeof(minimoe_tensor_view) && newer.later == 0 && newer.known.num_values == 32);
}

static void versions_of_the_library(void) {
  CHECK(minimoe_check_version(MINIMOE_VERSION_NUMBER + 1, &err) == MINIMOE_E_VERSION); /* a header newer than it */
  CHECK(strstr(err.message, minimoe_version_string()) != NULL);
  OK(minimoe_check_version(minimoe_version_number(), &err));
}

int main(void) {
  static const int32_t tokens[128] = {1, 2, 3};
  minimoe_options options;
  minimoe_model *model = NULL;
  minimoe_dataset *dataset = NULL;
  minimoe_trainer *trainer = NULL;
  versions_of_the_library();
  options_of_other_versions();
  OK(minimoe_options_init(&options, sizeof options, &err));
  options.num_threads = 1;
  OK(minimoe_dataset_create(kData, strlen(kData), &options, &dataset, &err));
  OK(minimoe_dataset_append_i32(dataset, tokens, 128, NULL, 0, &err));
  OK(minimoe_model_create(kConfig, strlen(kConfig), &options, &model, &err));
  OK(minimoe_trainer_create(model, dataset, kConfig, strlen(kConfig), &trainer, &err));
  metrics_of_other_versions(trainer);
  sizes_of_arrays(trainer, model);
  view_of_other_versions(model);
  minimoe_trainer_free(trainer);
  minimoe_model_free(model);
  minimoe_dataset_free(dataset);
  return 0;
}
