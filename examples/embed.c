/* SPDX-License-Identifier: Apache-2.0 */
/* A small MoE language model inside a C program: feed it tokens, train it, watch what its experts do, stop it from
 * another thread, save it, go on from the file with the same bits, and let it write.
 *
 * The host's "language" has 32 words; after word t always comes 5 t + 3 (mod 32). So what the model has learnt can be
 * checked at the end: every word that it writes has to follow from the one before. */
#include <minimoe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kVocab = 32, kTokens = 4096, kSteps = 120, kExperts = 4, kMore = 5, kWritten = 16 };

/* One block is dense, the other has 4 experts, of which each token is sent to 2. Whatever is not named has its default;
 * minimoe_config_keys lists everything. */
static const char kConfig[] =
    "{\"model\": {\"max_seq_len\": 16, \"d_model\": 32, \"num_heads\": 2, \"d_ff\": 64,"
    "             \"moe\": {\"layers\": [1], \"num_experts\": 4, \"top_k\": 2, \"d_expert\": 64}},"
    " \"train\": {\"steps\": 1000000, \"schedule\": \"constant\", \"warmup_steps\": 10, \"learning_rate\": 0.01,"
    "             \"batch_size\": 8, \"seq_len\": 16, \"weight_decay\": 0, \"seed\": 7}}";

static minimoe_error err; /* what went wrong in the call that failed last */

/* This program gives up at the first error; a host would hand err.message on. */
static void check(minimoe_status status, const char *what) {
  if (status == MINIMOE_OK) return;
  fprintf(stderr, "%s: %s: %s\n", what, minimoe_status_name(status), err.message);
  exit(1);
}
#define CHECK(call) check(call, #call)

static void claim(int holds, const char *what) {
  printf("%-58s %s\n", what, holds ? "yes" : "NO");
  if (!holds) exit(1);
}

static int32_t next_word(int32_t word) { return (5 * word + 3) % kVocab; }

static minimoe_dataset *make_dataset(void) {
  static const char json[] = "{\"vocab_size\": 32, \"name\": \"words\"}";
  minimoe_dataset *dataset = NULL;
  static int32_t tokens[kTokens];
  for (int i = 1; i < kTokens; i++) tokens[i] = next_word(tokens[i - 1]);
  CHECK(minimoe_dataset_create(json, strlen(json), NULL, &dataset, &err));
  /* No classes of tokens; with class names in the JSON, the report would tell the loss of each class. */
  CHECK(minimoe_dataset_append_i32(dataset, tokens, kTokens, NULL, 0, &err));
  return dataset;
}

/* The usual way to get a text: ask for its size with a capacity of 0, then for the text. */
static char *fit_config(const minimoe_dataset *dataset) {
  size_t needed = 0;
  minimoe_status status = minimoe_dataset_fit_config(dataset, kConfig, strlen(kConfig), NULL, 0, &needed, &err);
  if (status != MINIMOE_E_BUFFER_TOO_SMALL) check(status, "minimoe_dataset_fit_config");
  char *json = malloc(needed);
  if (json == NULL) exit(1);
  CHECK(minimoe_dataset_fit_config(dataset, kConfig, strlen(kConfig), json, needed, &needed, &err));
  return json;
}

static void print_progress(const minimoe_trainer *trainer, const minimoe_step_metrics *m) {
  int64_t loads[kExperts];
  /* Source: the last step; layer 0 is the first block that has experts. */
  CHECK(minimoe_trainer_expert_loads(trainer, MINIMOE_ROUTING_STEP, 0, loads, kExperts, NULL, &err));
  printf("step %4lld  loss %.4f  balance loss %.3f  tokens per expert", (long long)m->step, m->loss, m->aux_loss);
  for (int e = 0; e < kExperts; e++) printf(" %4lld", (long long)loads[e]);
  printf("\n");
}

/* A token may be fired from any thread, and from a signal handler: Ctrl-C, a time budget, a closed window. */
static void *stop_from_another_thread(void *token) {
  CHECK(minimoe_cancel_token_fire(token, NULL));
  return NULL;
}

/* Trains kMore steps and reports the loss of the last one. */
static double train_more(minimoe_trainer *trainer) {
  minimoe_step_metrics metrics[kMore];
  size_t count = 0;
  CHECK(minimoe_trainer_steps(trainer, kMore, NULL, metrics, sizeof metrics[0], kMore, &count, &err));
  return metrics[count - 1].loss;
}

int main(int argc, char **argv) {
  const char *path = argc > 1 ? argv[1] : "embed.safetensors";
  CHECK(minimoe_check_version(MINIMOE_VERSION_NUMBER, &err));

  /* Create. The trainer keeps model and dataset alive, so the order of the frees below is free. */
  minimoe_dataset *dataset = make_dataset();
  char *json = fit_config(dataset);
  minimoe_options options;
  CHECK(minimoe_options_init(&options, sizeof options, &err));
  options.num_threads = 1; /* affects speed only: the bits are the same for any number */
  minimoe_model *model = NULL;
  CHECK(minimoe_model_create(json, strlen(json), &options, &model, &err));
  minimoe_trainer *trainer = NULL;
  CHECK(minimoe_trainer_create(model, dataset, json, strlen(json), &trainer, &err));

  /* Train. The loop is the host's: here a step at a time, to look at the experts in between. */
  double first_loss = 0, loss = 0;
  for (int i = 0; i < kSteps; i++) {
    minimoe_step_metrics metrics;
    CHECK(minimoe_trainer_steps(trainer, 1, NULL, &metrics, sizeof metrics, 1, NULL, &err));
    if (i == 0) first_loss = metrics.loss;
    loss = metrics.loss;
    if (i % 20 == 19) print_progress(trainer, &metrics);
  }
  claim(loss < 0.1 * first_loss, "the loss went down to less than a tenth");

  /* Cancel. A long call ends early, between two steps; what it had completed counts, and the trainer can go on. */
  minimoe_cancel_token *token = NULL;
  CHECK(minimoe_cancel_token_create(&token, &err));
  pthread_t thread;
  if (pthread_create(&thread, NULL, stop_from_another_thread, token) != 0) return 1;
  size_t completed = 0;
  minimoe_status status = minimoe_trainer_steps(trainer, 500000, token, NULL, 0, 0, &completed, &err);
  pthread_join(thread, NULL);
  claim(status == MINIMOE_E_CANCELLED, "another thread stopped the training");
  int64_t step = 0;
  CHECK(minimoe_trainer_step(trainer, &step, &err));
  claim(step == kSteps + (int64_t)completed, "every completed step counts, the one broken off does not");

  /* Save, and go on. */
  CHECK(minimoe_trainer_save(trainer, path, &err));
  const double loss_without_a_stop = train_more(trainer);

  /* Resume in another model, as another process would: the same bits come out. */
  minimoe_model *resumed_model = NULL;
  minimoe_trainer *resumed = NULL;
  CHECK(minimoe_model_load(path, &options, &resumed_model, &err));
  CHECK(minimoe_trainer_create(resumed_model, dataset, json, strlen(json), &resumed, &err));
  CHECK(minimoe_trainer_resume(resumed, path, &err));
  const double loss_after_resuming = train_more(resumed);
  claim(memcmp(&loss_without_a_stop, &loss_after_resuming, sizeof(double)) == 0, "the resumed loss has the same bits");

  /* Generate, greedily, from one word. */
  static const char greedy[] = "{\"max_new_tokens\": 15, \"temperature\": 0}";
  int32_t words[kWritten] = {9};
  size_t written = 0;
  CHECK(minimoe_model_generate(resumed_model, words, 1, greedy, strlen(greedy), NULL, words + 1, kWritten - 1, &written,
                               &err));
  int right = 0;
  for (size_t i = 1; i <= written; i++) right += words[i] == next_word(words[i - 1]);
  claim(right == kWritten - 1, "every word that the model wrote follows the rule");

  minimoe_dataset_free(dataset);
  minimoe_model_free(model);
  minimoe_model_free(resumed_model);
  minimoe_trainer_free(trainer);
  minimoe_trainer_free(resumed);
  minimoe_cancel_token_free(token);
  free(json);
  return 0;
}
