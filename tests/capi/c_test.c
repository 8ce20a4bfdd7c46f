/* SPDX-License-Identifier: Apache-2.0 */
/* The whole life of every kind of handle, from C99: in each phase first what must fail, then what must work.
 * Usage: c_test FILE (to write to) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "minimoe.h"

enum { kVocab = 16, kTokens = 160, kSteps = 4, kMicroBatches = 2, kExperts = 4, kWidth = 8, kRows = 4 };

static const char kConfig[] =
    "{\"model\": {\"max_seq_len\": 16, \"num_layers\": 2, \"d_model\": 8, \"num_heads\": 2, \"d_ff\": 8,"
    " \"moe\": {\"layers\": [1], \"num_experts\": 4, \"top_k\": 2, \"d_expert\": 8, \"bias_balancing\": true,"
    " \"aux_loss_coef\": 0}},"
    " \"train\": {\"steps\": 8, \"batch_size\": 2, \"seq_len\": 8, \"accumulation_steps\": 2, \"warmup_steps\": 0}}";
static const char kData[] = "{\"vocab_size\": 16, \"val_fraction\": 0.25}";

static const char *phase = "";
static minimoe_error err;

static void start_phase(const char *name) {
  printf("== %s\n", name);
  phase = name;
}

static void check(int holds, const char *what, int line) {
  if (holds) return;
  printf("%s, line %d: not true: %s (last error: %s)\n", phase, line, what, err.message);
  exit(1);
}
#define CHECK(condition) check(condition, #condition, __LINE__)
#define OK(call) check((call) == MINIMOE_OK, #call, __LINE__)

/* The call fails with this code, and its message has this in it. */
static void check_failure(minimoe_status status, minimoe_status expected, const char *in_message, int line) {
  check(status == expected, minimoe_status_name(expected), line);
  check(err.code == expected, "err has the code", line);
  check(strstr(err.message, in_message) != NULL, in_message, line);
}
#define FAILS(call, code, in_message) check_failure(call, code, in_message, __LINE__)

/* A host that counts what it lends, and that stops training after some micro-batches. */
typedef struct {
  long blocks;
  int micro_batches_left; /* until the token is fired; 0: never */
  minimoe_cancel_token *token;
} host_t;

static void *lend(void *user_data, size_t size, size_t alignment) {
  void *memory = NULL;
  (void)alignment; /* at most 64 */
  /* A block that begins with the address to give back. */
  char *raw = malloc(size + 128);
  if (raw == NULL) return NULL;
  memory = raw + 128 - (size_t)((uintptr_t)raw % 64);
  memcpy((char *)memory - sizeof(raw), &raw, sizeof(raw));
  ((host_t *)user_data)->blocks++;
  return memory;
}

static void take_back(void *user_data, void *memory, size_t size, size_t alignment) {
  char *raw = NULL;
  (void)size;
  (void)alignment;
  memcpy(&raw, (char *)memory - sizeof(raw), sizeof(raw));
  free(raw);
  ((host_t *)user_data)->blocks--;
}

static void on_log(void *user_data, int32_t level, const char *message) {
  host_t *host = user_data;
  (void)message;
  if (level != MINIMOE_LOG_TRACE || host->micro_batches_left == 0) return;
  if (--host->micro_batches_left == 0) minimoe_cancel_token_fire(host->token, NULL);
}

static void set_options(minimoe_options *options, host_t *host) {
  OK(minimoe_options_init(options, sizeof *options, &err));
  options->num_threads = 1;
  options->allocate = lend;
  options->deallocate = take_back;
  options->allocator_user_data = host;
  options->log = on_log;
  options->log_user_data = host;
  options->log_level = MINIMOE_LOG_TRACE;
}

static void version_phase(void) {
  start_phase("version");
  FAILS(minimoe_check_version(2000000, &err), MINIMOE_E_VERSION, "minimoe_check_version");
  FAILS(minimoe_check_version(MINIMOE_VERSION_NUMBER + 1000, &err), MINIMOE_E_VERSION, "");
  FAILS(minimoe_check_version(-1, &err), MINIMOE_E_VERSION, "");
  OK(minimoe_check_version(MINIMOE_VERSION_NUMBER, &err));
  CHECK(strcmp(minimoe_status_name(MINIMOE_E_BUSY), "MINIMOE_E_BUSY") == 0);
  CHECK(strcmp(minimoe_status_name(12345), "MINIMOE_E_?") == 0);
}

static void config_phase(void) {
  static const char unknown[] = "{\"model\": {\"moe\": {\"top_kk\": 2}}}";
  static const char range[] = "{\"train\": {\"batch_size\": 0}}";
  static const char twice[] = "{\"train\": {\"seed\": 1, \"seed\": 2}}";
  char buf[8192], same[8192];
  size_t needed = 0;
  start_phase("configuration");
  FAILS(minimoe_config_resolve(unknown, strlen(unknown), buf, sizeof buf, &needed, &err), MINIMOE_E_INVALID_ARGUMENT,
        "model.moe.top_kk");
  CHECK(strstr(err.message, "top_k?") != NULL);
  FAILS(minimoe_config_resolve(range, strlen(range), buf, sizeof buf, &needed, &err), MINIMOE_E_INVALID_ARGUMENT,
        "train.batch_size");
  FAILS(minimoe_config_resolve(twice, strlen(twice), buf, sizeof buf, &needed, &err), MINIMOE_E_INVALID_ARGUMENT,
        "train.seed");
  FAILS(minimoe_config_resolve(kConfig, strlen(kConfig), buf, 10, &needed, &err), MINIMOE_E_BUFFER_TOO_SMALL, "");
  CHECK(needed > 10 && needed < sizeof buf);
  OK(minimoe_config_resolve(kConfig, strlen(kConfig), buf, needed, NULL, &err)); /* exactly as much as was asked for */
  CHECK(strlen(buf) + 1 == needed);
  OK(minimoe_config_resolve(buf, needed - 1, same, sizeof same, NULL, &err));
  CHECK(strcmp(buf, same) == 0); /* the resolved configuration resolves to itself */
}

static minimoe_dataset *dataset_phase(const minimoe_options *options) {
  minimoe_dataset *dataset = NULL;
  int32_t tokens[kTokens], window[9];
  uint64_t num_windows = 0;
  size_t needed = 0, labels = 99;
  int i;
  start_phase("dataset");
  for (i = 0; i < kTokens; i++) tokens[i] = (3 * i + i / 5) % kVocab;
  FAILS(minimoe_dataset_create("{}", 2, options, &dataset, &err), MINIMOE_E_INVALID_ARGUMENT, "vocab_size");
  CHECK(dataset == NULL);
  OK(minimoe_dataset_create(kData, strlen(kData), options, &dataset, &err));
  tokens[7] = kVocab;
  FAILS(minimoe_dataset_append_i32(dataset, tokens, kTokens, NULL, 0, &err), MINIMOE_E_INVALID_ARGUMENT, "16");
  tokens[7] = 6;
  OK(minimoe_dataset_num_windows(dataset, "val", 8, &num_windows, &err));
  CHECK(num_windows == 0); /* nothing of what was refused is in it */
  OK(minimoe_dataset_append_i32(dataset, tokens, kTokens, NULL, 0, &err));
  OK(minimoe_dataset_num_windows(dataset, "val", 8, &num_windows, &err));
  CHECK(num_windows >= 4); /* of 40 tokens */
  OK(minimoe_dataset_window(dataset, "val", 0, 0, 8, window, 9, &needed, NULL, 0, &labels, &err));
  CHECK(needed == 9 && labels == 0 && memcmp(window, tokens + 120, sizeof window) == 0);
  return dataset;
}

static minimoe_model *model_phase(const minimoe_dataset *dataset, const minimoe_options *options, char *config,
                                  size_t config_cap) {
  static const char name[] = "blocks.1.moe.router.weight";
  minimoe_model *model = NULL;
  minimoe_tensor_view view;
  uint64_t generation = 0;
  float weight[kExperts * kWidth], back[kExperts * kWidth];
  size_t needed = 0;
  start_phase("model");
  FAILS(minimoe_model_create(kConfig, strlen(kConfig), options, &model, &err), MINIMOE_E_INVALID_ARGUMENT,
        "vocab_size");
  OK(minimoe_dataset_fit_config(dataset, kConfig, strlen(kConfig), config, config_cap, NULL, &err));
  OK(minimoe_model_create(config, strlen(config), options, &model, &err));
  FAILS(minimoe_model_parameter_get(model, "blocks.1.moe.router.weigth", back, 32, NULL, &err),
        MINIMOE_E_INVALID_ARGUMENT, "weigth");
  OK(minimoe_model_parameter_get(model, name, weight, kExperts * kWidth, &needed, &err));
  CHECK(needed == kExperts * kWidth);
  OK(minimoe_model_parameter_view(model, name, &view, sizeof view, &err));
  CHECK(view.num_dims == 2 && view.shape[0] == kExperts && view.shape[1] == kWidth && view.num_values == needed);
  CHECK(memcmp(view.values, weight, sizeof weight) == 0);
  FAILS(minimoe_model_parameter_set(model, name, weight, 3, &err), MINIMOE_E_SHAPE, "3");
  OK(minimoe_model_generation(model, &generation, &err));
  CHECK(generation == view.generation);
  weight[5] += 1;
  OK(minimoe_model_parameter_set(model, name, weight, kExperts * kWidth, &err));
  OK(minimoe_model_generation(model, &generation, &err));
  CHECK(generation > view.generation && view.values[5] == weight[5]);
  return model;
}

/* Trains to the end of the schedule; the losses. */
static void train(minimoe_trainer *trainer, double *losses, size_t steps) {
  minimoe_step_metrics metrics[2 * kSteps];
  size_t count = 0, i;
  OK(minimoe_trainer_steps(trainer, (int64_t)steps, NULL, metrics, sizeof metrics[0], 2 * kSteps, &count, &err));
  CHECK(count == steps);
  for (i = 0; i < count; i++) losses[i] = metrics[i].loss;
}

/* Losses of steps 5..8 of a run that was never stopped. */
static void trainer_phase(minimoe_model *model, minimoe_dataset *dataset, const char *config, host_t *host,
                          const char *path, double *losses) {
  minimoe_trainer *trainer = NULL, *second = NULL;
  minimoe_step_metrics metrics[kSteps];
  minimoe_evaluation evaluation;
  int64_t counts[kExperts], sum = 0, step = -1;
  size_t count = 99;
  int i;
  start_phase("trainer, cancelled in the middle of a step");
  FAILS(minimoe_trainer_create(model, NULL, config, strlen(config), &trainer, &err), MINIMOE_E_INVALID_ARGUMENT,
        "dataset");
  OK(minimoe_trainer_create(model, dataset, config, strlen(config), &trainer, &err));
  FAILS(minimoe_trainer_create(model, dataset, config, strlen(config), &second, &err), MINIMOE_E_BUSY, "");
  FAILS(minimoe_trainer_steps(trainer, kSteps + 1, NULL, metrics, sizeof metrics[0], kSteps, &count, &err),
        MINIMOE_E_INVALID_ARGUMENT, "metrics_cap");
  CHECK(count == 0);

  host->micro_batches_left = 2 * kMicroBatches + 1; /* the first micro-batch of step 3 */
  FAILS(minimoe_trainer_steps(trainer, kSteps, host->token, metrics, sizeof metrics[0], kSteps, &count, &err),
        MINIMOE_E_CANCELLED, "");
  CHECK(count == 2 && metrics[1].step == 2);
  FAILS(minimoe_trainer_steps(trainer, kSteps, host->token, metrics, sizeof metrics[0], kSteps, &count, &err),
        MINIMOE_E_CANCELLED, "");
  CHECK(count == 0); /* a fired token stays fired */
  train(trainer, losses, 2);
  OK(minimoe_trainer_step(trainer, &step, &err));
  CHECK(step == kSteps);

  OK(minimoe_trainer_expert_loads(trainer, MINIMOE_ROUTING_STEP, 0, counts, kExperts, NULL, &err));
  for (i = 0; i < kExperts; i++) sum += counts[i];
  CHECK(sum == 2 * 8 * kMicroBatches * 2); /* batch, sequence, micro-batches, top_k */
  OK(minimoe_trainer_evaluate(trainer, "val", 0, NULL, &evaluation, sizeof evaluation, &err));
  CHECK(evaluation.num_windows > 0 && evaluation.num_targets == 8 * evaluation.num_windows);

  OK(minimoe_trainer_save(trainer, path, &err));
  train(trainer, losses, kSteps);
  OK(minimoe_trainer_steps(trainer, 1, NULL, metrics, sizeof metrics[0], kSteps, &count, &err));
  CHECK(count == 0); /* the schedule has ended */
  minimoe_trainer_free(trainer);
}

static void resume_phase(minimoe_dataset *dataset, const char *config, const minimoe_options *options, const char *path,
                         const double *losses) {
  minimoe_model *model = NULL;
  minimoe_trainer *trainer = NULL;
  double again[kSteps];
  int64_t step = 0;
  start_phase("resume");
  FAILS(minimoe_model_load("/no/such/file", options, &model, &err), MINIMOE_E_IO, "/no/such/file");
  OK(minimoe_model_create(config, strlen(config), options, &model, &err));
  OK(minimoe_trainer_create(model, dataset, config, strlen(config), &trainer, &err));
  minimoe_model_free(model); /* its trainer keeps it */
  FAILS(minimoe_trainer_resume(trainer, "/no/such/file", &err), MINIMOE_E_IO, "/no/such/file");
  OK(minimoe_trainer_resume(trainer, path, &err));
  OK(minimoe_trainer_step(trainer, &step, &err));
  CHECK(step == kSteps);
  train(trainer, again, kSteps);
  CHECK(memcmp(losses, again, sizeof again) == 0); /* bit for bit */
  minimoe_trainer_free(trainer);
}

static void generate_phase(const char *path, const minimoe_options *options) {
  static const char greedy[] = "{\"max_new_tokens\": 6, \"temperature\": 0}";
  minimoe_model *model = NULL;
  int32_t prompt[3] = {1, 2, 3}, ids[6], again[6];
  size_t needed = 0;
  int i;
  start_phase("generate");
  OK(minimoe_model_load(path, options, &model, &err));
  FAILS(minimoe_model_generate(model, prompt, 0, greedy, strlen(greedy), NULL, ids, 6, NULL, &err),
        MINIMOE_E_INVALID_ARGUMENT, "");
  FAILS(minimoe_model_generate(model, prompt, 3, greedy, strlen(greedy), NULL, ids, 5, &needed, &err),
        MINIMOE_E_BUFFER_TOO_SMALL, "ids");
  CHECK(needed == 6);
  OK(minimoe_model_generate(model, prompt, 3, greedy, strlen(greedy), NULL, ids, 6, &needed, &err));
  OK(minimoe_model_generate(model, prompt, 3, greedy, strlen(greedy), NULL, again, 6, NULL, &err));
  CHECK(needed == 6 && memcmp(ids, again, sizeof ids) == 0);
  for (i = 0; i < 6; i++) CHECK(ids[i] >= 0 && ids[i] < kVocab);
  minimoe_model_free(model);
}

static void layer_phase(const minimoe_options *options) {
  minimoe_moe_layer *layer = NULL;
  minimoe_moe_cache *cache = NULL;
  minimoe_routing_metrics metrics;
  float x[kRows * kWidth], y[kRows * kWidth], inferred[kRows * kWidth], d_y[kRows * kWidth], d_x[kRows * kWidth];
  float bias[kExperts], shares[kRows * 2];
  int64_t load[kExperts];
  int i;
  start_phase("bare layer");
  for (i = 0; i < kRows * kWidth; i++) {
    x[i] = (float)(i % 7) - 3;
    d_y[i] = 0.01f;
  }
  OK(minimoe_moe_layer_create(kConfig, strlen(kConfig), options, &layer, &err));
  OK(minimoe_moe_cache_create(layer, kRows, &cache, &err));
  FAILS(minimoe_moe_layer_infer(layer, x, kWidth - 1, NULL, 0, y, kRows * kWidth, NULL, &err), MINIMOE_E_SHAPE, "7");
  OK(minimoe_moe_layer_infer(layer, x, kRows * kWidth, NULL, 0, inferred, kRows * kWidth, NULL, &err));
  OK(minimoe_moe_layer_forward(layer, cache, x, kRows * kWidth, NULL, 0, 0, y, kRows * kWidth, NULL, &err));
  CHECK(memcmp(y, inferred, sizeof y) == 0); /* no capacity: training and inference route alike */
  OK(minimoe_moe_cache_gate_weights(cache, shares, kRows * 2, NULL, &err));
  for (i = 0; i < kRows; i++)
    CHECK(shares[2 * i] + shares[2 * i + 1] > 0.999f && shares[2 * i] + shares[2 * i + 1] < 1.001f);
  OK(minimoe_moe_cache_load(cache, load, kExperts, NULL, &err));
  CHECK(load[0] + load[1] + load[2] + load[3] == 2 * kRows);
  OK(minimoe_moe_cache_metrics(cache, &metrics, sizeof metrics, &err));
  CHECK(metrics.num_tokens == kRows && metrics.num_dropped == 0);
  OK(minimoe_moe_layer_backward(layer, cache, x, kRows * kWidth, d_y, kRows * kWidth, 1, d_x, kRows * kWidth, NULL,
                                &err));
  CHECK(minimoe_moe_layer_backward(layer, cache, x, kRows * kWidth, d_y, kRows * kWidth, 1, d_x, kRows * kWidth, NULL,
                                   &err) != MINIMOE_OK); /* the forward is used up */
  OK(minimoe_moe_layer_update_bias(layer, load, kExperts, &err));
  OK(minimoe_moe_layer_parameter_get(layer, "expert_bias", bias, kExperts, NULL, &err));
  for (i = 0; i < kExperts; i++) CHECK((load[i] < 2) == (bias[i] > 0)); /* the mean load is 2 */
  minimoe_moe_layer_free(layer);                                        /* its cache keeps it */
  OK(minimoe_moe_cache_load(cache, load, kExperts, NULL, &err));
  minimoe_moe_cache_free(cache);
}

int main(int argc, char **argv) {
  host_t host = {0, 0, NULL};
  minimoe_options options;
  minimoe_dataset *dataset;
  minimoe_model *model;
  char config[8192];
  double losses[kSteps];
  if (argc != 2) return 2;
  OK(minimoe_cancel_token_create(&host.token, &err));
  set_options(&options, &host);
  version_phase();
  config_phase();
  dataset = dataset_phase(&options);
  model = model_phase(dataset, &options, config, sizeof config);
  trainer_phase(model, dataset, config, &host, argv[1], losses);
  minimoe_model_free(model);
  resume_phase(dataset, config, &options, argv[1], losses);
  generate_phase(argv[1], &options);
  layer_phase(&options);
  minimoe_dataset_free(dataset);
  minimoe_cancel_token_free(host.token);
  start_phase("end");
  CHECK(host.blocks == 0); /* every block was given back */
  remove(argv[1]);
  return 0;
}
