/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of the golden set with a dataset and a model on it. */
#ifndef MINIMOE_TESTS_GOLDEN_TRAINING_H_
#define MINIMOE_TESTS_GOLDEN_TRAINING_H_

#include "golden_run.h"

/* A model of the case's configuration, fitted to its dataset, and with `trained` a trainer of both. */
static int make_fitted(struct run *run, int trained) {
  if (!open_dataset(run)) return 0;
  char fitted[8192];
  CREATE(minimoe_dataset_fit_config(run->h.dataset, JSON("config"), fitted, sizeof(fitted), NULL, err));
  CREATE(minimoe_model_create(fitted, strlen(fitted), &run->options, &run->h.model, err));
  if (!set_parameters(run)) return 0;
  if (!trained) return 1;
  CREATE(minimoe_trainer_create(run->h.model, run->h.dataset, fitted, strlen(fitted), &run->h.trainer, err));
  return 1;
}

enum { MAX_STEPS = 64 };

static void put_metrics(struct run *run, const minimoe_step_metrics *metrics, size_t count) {
  int64_t integers[MAX_STEPS] = {0};
  double reals[MAX_STEPS] = {0};
#define COLUMN(put, values, field)                                 \
  for (size_t i = 0; i < count; ++i) values[i] = metrics[i].field; \
  put(run->out, "metrics." #field, values, count)
  COLUMN(put_int64, integers, step);
  COLUMN(put_int64, integers, num_tokens);
  COLUMN(put_int64, integers, num_extra_passes);
  COLUMN(put_double, reals, loss);
  COLUMN(put_double, reals, aux_loss);
  COLUMN(put_double, reals, z_loss);
  COLUMN(put_double, reals, total_loss);
  COLUMN(put_double, reals, learning_rate);
  COLUMN(put_double, reals, gradient_norm);
#undef COLUMN
}

static int train_steps(struct run *run) {
  minimoe_step_metrics metrics[MAX_STEPS];
  const int64_t steps = integer_of(run->c, "steps"), cancel_after = integer_of(run->c, "cancel_after");
  const int64_t first = cancel_after < 0 ? steps : cancel_after;
  size_t done = 0, more = 0;
  CREATE(minimoe_trainer_steps(run->h.trainer, first, NULL, metrics, sizeof(metrics[0]), MAX_STEPS, &done, err));
  if (cancel_after >= 0) {
    CREATE(minimoe_cancel_token_create(&run->h.token, err));
    CREATE(minimoe_cancel_token_fire(run->h.token, err));
    minimoe_error said = {0, 0, ""};
    const minimoe_status status =
        minimoe_trainer_steps(run->h.trainer, 3, run->h.token, metrics + done, sizeof(metrics[0]), 3, &more, &said);
    put_error(run->out, "cancelled", status, &said);
    put_integer(run->out, "cancelled_steps", (int64_t)more);
    CREATE(minimoe_trainer_steps(run->h.trainer, steps - first, NULL, metrics + done, sizeof(metrics[0]),
                                 MAX_STEPS - done, &more, err));
    done += more;
  }
  put_metrics(run, metrics, done);
  return 1;
}

static int run_train(struct run *run) {
  if (!make_fitted(run, 1)) return 0;
  minimoe_trainer *trainer = run->h.trainer;
  minimoe_error said = {0, 0, ""};
  PUT_TEXT("config", minimoe_trainer_config(trainer, OUT));
  if (*text(run, "resume")) {
    const minimoe_status status = minimoe_trainer_resume(trainer, text(run, "resume"), &said);
    if (status != MINIMOE_OK) return fail_case(run, "resume", status, &said);
  }
  PUT_INTEGER(int64_t, "step_before", minimoe_trainer_step(trainer, &value, err));
  PUT_TEXT("interference", minimoe_trainer_interference(trainer, NULL, OUT));
  if (!train_steps(run)) return 0;
  PUT_INTEGER(int64_t, "step_after", minimoe_trainer_step(trainer, &value, err));

  minimoe_evaluation evaluation;
  CREATE(minimoe_trainer_evaluate(trainer, text(run, "split"), size(run, "max_windows"), NULL, &evaluation,
                                  sizeof(evaluation), err));
  put_double(run->out, "evaluation.loss", &evaluation.loss, 1);
  put_integer(run->out, "evaluation.num_targets", evaluation.num_targets);
  put_integer(run->out, "evaluation.num_windows", evaluation.num_windows);
  PUT_TEXT("routing.step", minimoe_trainer_routing(trainer, MINIMOE_ROUTING_STEP, OUT));
  PUT_TEXT("routing.evaluation", minimoe_trainer_routing(trainer, MINIMOE_ROUTING_EVALUATION, OUT));
  PUT(int64_t, int64, "loads.step", minimoe_trainer_expert_loads(trainer, MINIMOE_ROUTING_STEP, 0, OUT));
  PUT(int64_t, int64, "loads.evaluation", minimoe_trainer_expert_loads(trainer, MINIMOE_ROUTING_EVALUATION, 0, OUT));
  PUT_TEXT("health", minimoe_trainer_health(trainer, JSON("health"), OUT));
  put_parameters(run, "read", "parameter", 0);
  put_saved(run, "checkpoint", minimoe_trainer_save(trainer, text(run, "path"), &said), &said);
  return 1;
}

static int run_analyse(struct run *run) {
  if (!make_fitted(run, 0)) return 0;
  const minimoe_model *model = run->h.model;
  const minimoe_dataset *dataset = run->h.dataset;
  const char *split = text(run, "split");
  PUT_TEXT("specialisation", minimoe_model_specialisation(model, dataset, split, JSON("specialisation"), NULL, OUT));
  PUT_TEXT("capacity_report", minimoe_model_capacity_report(model, dataset, split, JSON("capacity"), NULL, OUT));
  PUT_TEXT("probes", minimoe_model_answer_probes(model, dataset, split, size(run, "max_count"), NULL, OUT));
  return 1;
}

#endif
