/* SPDX-License-Identifier: Apache-2.0 */
/* A program of version 0.1, compiled for ever against the minimoe.h beside it and run on the newest library. Neither
 * file is ever edited once 0.1 is released. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "minimoe.h"

static minimoe_error err;

static void check(int holds, const char *what) {
  if (holds) return;
  printf("not true: %s (last error: %s)\n", what, err.message);
  exit(1);
}
#define CHECK(condition) check(condition, #condition)
#define OK(call) CHECK((call) == MINIMOE_OK)

int main(void) {
  static const char config[] =
      "{\"model\": {\"vocab_size\": 8, \"max_seq_len\": 8, \"num_layers\": 2, \"d_model\": 8, \"num_heads\": 2,"
      " \"d_ff\": 16, \"moe\": {\"layers\": [1], \"num_experts\": 4, \"top_k\": 2, \"d_expert\": 16}},"
      " \"train\": {\"steps\": 60, \"batch_size\": 4, \"seq_len\": 8, \"warmup_steps\": 0, \"learning_rate\": 0.01}}";
  static const char data[] = "{\"vocab_size\": 8, \"val_fraction\": 0.25}";
  static const char greedy[] = "{\"max_new_tokens\": 4, \"temperature\": 0}";
  minimoe_options options;
  minimoe_dataset *dataset = NULL;
  minimoe_model *model = NULL;
  minimoe_trainer *trainer = NULL;
  minimoe_cancel_token *token = NULL;
  minimoe_step_metrics metrics[60];
  minimoe_evaluation evaluation;
  minimoe_tensor_view view;
  int32_t tokens[256], ids[4];
  int64_t counts[4];
  size_t count = 0, needed = 0;
  int i;

  CHECK(minimoe_version_number() >= MINIMOE_VERSION_NUMBER);
  OK(minimoe_options_init(&options, sizeof options, &err));
  options.num_threads = 1;
  for (i = 0; i < 256; i++) tokens[i] = i % 8;
  OK(minimoe_dataset_create(data, strlen(data), &options, &dataset, &err));
  OK(minimoe_dataset_append_i32(dataset, tokens, 256, NULL, 0, &err));
  OK(minimoe_model_create(config, strlen(config), &options, &model, &err));
  OK(minimoe_trainer_create(model, dataset, config, strlen(config), &trainer, &err));
  OK(minimoe_cancel_token_create(&token, &err));
  OK(minimoe_trainer_steps(trainer, 60, token, metrics, sizeof metrics[0], 60, &count, &err));
  CHECK(count == 60 && metrics[0].struct_size == sizeof metrics[0] && metrics[59].step == 60);
  CHECK(metrics[59].loss < 0.5 * metrics[0].loss);
  OK(minimoe_trainer_expert_loads(trainer, MINIMOE_ROUTING_STEP, 0, counts, 4, &needed, &err));
  CHECK(needed == 4 && counts[0] + counts[1] + counts[2] + counts[3] == 4 * 8 * 2);
  OK(minimoe_trainer_evaluate(trainer, "val", 2, token, &evaluation, sizeof evaluation, &err));
  CHECK(evaluation.num_windows == 2 && evaluation.num_targets == 16);
  OK(minimoe_cancel_token_fire(token, &err));
  CHECK(minimoe_trainer_evaluate(trainer, "val", 2, token, &evaluation, sizeof evaluation, &err) ==
        MINIMOE_E_CANCELLED);
  CHECK(err.code == MINIMOE_E_CANCELLED && err.message[0] != '\0');
  minimoe_trainer_free(trainer);

  OK(minimoe_model_parameter_view(model, "blocks.1.moe.router.weight", &view, sizeof view, &err));
  CHECK(view.struct_size == sizeof view && view.num_dims == 2 && view.shape[0] == 4 && view.num_values == 32);
  OK(minimoe_model_generate(model, tokens, 4, greedy, strlen(greedy), NULL, ids, 4, NULL, &err));
  for (i = 0; i < 4; i++) CHECK(ids[i] == 4 + i);
  minimoe_model_free(model);
  minimoe_dataset_free(dataset);
  minimoe_cancel_token_free(token);
  return 0;
}
