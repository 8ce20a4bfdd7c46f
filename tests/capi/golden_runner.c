/* SPDX-License-Identifier: Apache-2.0 */
/* The golden set through minimoe.h: golden_runner CASES RESULTS, in a directory of its own. CASES is what make_flat.py
 * makes of a manifest. */
#define _POSIX_C_SOURCE 200809L
#include <minimoe.h>
#include <stdio.h>
#include <string.h>

#include "golden_run.h"
#include "golden_status.h"
#include "golden_training.h"

static int32_t instruction_set;

static int run_library(struct run *run) {
  put_integer(run->out, "version_number", minimoe_version_number());
  put_string(run->out, "version_string", minimoe_version_string());
  PUT_TEXT("build_info", minimoe_build_info(OUT));
  PUT_TEXT("config_keys", minimoe_config_keys(OUT));
  PUT_TEXT("config_breaks", minimoe_config_breaks(OUT));
  put_key(run->out, "status_names");
  char code[16];
  const char *separator = "[";
  for (const char *list = text(run, "codes"); next_word(&list, code, sizeof(code)); separator = ",") {
    print(run->out, "%s\"%s\"", separator, minimoe_status_name((int32_t)strtol(code, NULL, 10)));
  }
  print(run->out, "]");
  return 1;
}

static int run_preset(struct run *run) {
  PUT_TEXT("preset", minimoe_config_preset(text(run, "preset"), OUT));
  return 1;
}

static int run_config(struct run *run) {
  PUT_TEXT("resolved", minimoe_config_resolve(JSON("config"), OUT));
  PUT_TEXT("cost", minimoe_config_cost(JSON("config"), OUT));
  PUT_TEXT("memory", minimoe_config_estimate_memory(JSON("config"), &run->options, OUT));
  PUT_TEXT("variants", minimoe_config_variants(JSON("config"), OUT));
  PUT_TEXT("balancers", minimoe_config_balancers(JSON("config"), text(run, "kinds"), OUT));
  return 1;
}

static int run_file(struct run *run) {
  FILE *file = must_have(fopen(text(run, "path"), "wb"));
  fputs(text(run, "text"), file);
  fclose(file);
  put_file(run->out, "file", text(run, "path"));
  return 1;
}

static void put_window(struct run *run) {
  const char *split = text(run, "split");
  const uint64_t seed = (uint64_t)integer_of(run->c, "seed"), index = (uint64_t)integer_of(run->c, "index");
  enum { CAPACITY = 256 };
  int32_t tokens[CAPACITY];
  uint8_t classes[CAPACITY];
  size_t num_tokens = 0, num_classes = 0;
  minimoe_error said = {0, 0, ""};
  const minimoe_status status = minimoe_dataset_window(run->h.dataset, split, seed, index, size(run, "seq_len"), tokens,
                                                       CAPACITY, &num_tokens, classes, CAPACITY, &num_classes, &said);
  if (status != MINIMOE_OK) {
    put_error(run->out, "window.tokens", status, &said);
    put_error(run->out, "window.classes", status, &said);
    return;
  }
  put_int32(run->out, "window.tokens", tokens, num_tokens);
  put_uint8(run->out, "window.classes", classes, num_classes);
  PUT_TEXT("decoded", minimoe_dataset_decode(run->h.dataset, tokens, num_tokens, OUT));
}

static int run_dataset(struct run *run) {
  if (!open_dataset(run)) return 0;
  minimoe_dataset *dataset = run->h.dataset;
  const char *split = text(run, "split");
  const uint64_t seed = (uint64_t)integer_of(run->c, "seed"), index = (uint64_t)integer_of(run->c, "index");
  const size_t seq_len = size(run, "seq_len");
  PUT_TEXT("info", minimoe_dataset_info(dataset, OUT));
  PUT_INTEGER(uint64_t, "num_windows", minimoe_dataset_num_windows(dataset, split, seq_len, &value, err));
  put_window(run);
  PUT(int32_t, int32, "encoded", minimoe_dataset_encode(dataset, JSON("text"), OUT));
  if (minimoe_dataset_sentence(dataset, split, seed, index, NULL, 0, NULL, NULL) == MINIMOE_E_UNSUPPORTED) {
    put_null(run->out, "sentence");
  } else {
    PUT_TEXT("sentence", minimoe_dataset_sentence(dataset, split, seed, index, OUT));
  }
  minimoe_error said = {0, 0, ""};
  double floor = 0;
  const minimoe_status status =
      minimoe_dataset_entropy_floor(dataset, split, seq_len, size(run, "num_windows"), &floor, &said);
  if (status == MINIMOE_E_UNSUPPORTED) {
    put_null(run->out, "entropy_floor");
  } else if (status != MINIMOE_OK) {
    put_error(run->out, "entropy_floor", status, &said);
  } else {
    put_double(run->out, "entropy_floor", &floor, 1);
  }
  PUT_TEXT("fitted", minimoe_dataset_fit_config(dataset, JSON("config"), OUT));
  return 1;
}

static void put_routing(struct run *run) {
  minimoe_moe_cache *cache = run->h.cache;
  PUT(int32_t, int32, "topk_idx", minimoe_moe_cache_topk_idx(cache, OUT));
  PUT_FLOATS("gate_weights", minimoe_moe_cache_gate_weights(cache, OUT));
  PUT(uint8_t, uint8, "kept", minimoe_moe_cache_kept(cache, OUT));
  PUT_FLOATS("router_logits", minimoe_moe_cache_router_logits(cache, OUT));
  PUT_FLOATS("router_probs", minimoe_moe_cache_router_probs(cache, OUT));
  PUT(int64_t, int64, "load", minimoe_moe_cache_load(cache, OUT));
  minimoe_routing_metrics metrics;
  minimoe_error said = {0, 0, ""};
  const minimoe_status status = minimoe_moe_cache_metrics(cache, &metrics, sizeof(metrics), &said);
  if (status != MINIMOE_OK) put_error(run->out, "metrics", status, &said);
  if (status != MINIMOE_OK) return;
  put_integer(run->out, "metrics.num_tokens", metrics.num_tokens);
  put_integer(run->out, "metrics.num_dropped", metrics.num_dropped);
  put_double(run->out, "metrics.aux_loss", &metrics.aux_loss, 1);
  put_double(run->out, "metrics.z_loss", &metrics.z_loss, 1);
  put_double(run->out, "metrics.max_violation", &metrics.max_violation, 1);
  put_double(run->out, "metrics.load_entropy", &metrics.load_entropy, 1);
}

static int run_layer(struct run *run) {
  CREATE(minimoe_moe_layer_create(JSON("config"), &run->options, &run->h.layer, err));
  minimoe_moe_layer *layer = run->h.layer;
  PUT_TEXT("config", minimoe_moe_layer_config(layer, OUT));
  size_t num_parameters = 0;
  PUT_INTEGER(size_t, "num_parameters",
              (minimoe_moe_layer_num_parameters(layer, &num_parameters, NULL),
               minimoe_moe_layer_num_parameters(layer, &value, err)));
  put_parameter_info(run, num_parameters);
  if (!set_parameters(run)) return 0;
  const size_t num_tokens = size(run, "num_tokens");
  CREATE(minimoe_moe_cache_create(layer, num_tokens, &run->h.cache, err));

  const size_t count = num_tokens * size(run, "d_model");
  const int64_t tag = integer_of(run->c, "tag");
  float *x = fill(tag + 100, count, count, real_of(run->c, "x_scale"));
  float *d_y = fill(tag + 101, count, count, real_of(run->c, "d_y_scale"));
  size_t num_valid = 0;
  uint8_t *valid = make_valid(run, &num_valid);
  PUT_FLOATS("infer", minimoe_moe_layer_infer(layer, x, count, valid, num_valid, OUT));
  PUT_FLOATS("y",
             minimoe_moe_layer_forward(layer, run->h.cache, x, count, valid, num_valid, size(run, "seq_len"), OUT));
  put_routing(run);
  minimoe_moe_layer_zero_gradients(layer, NULL);
  PUT_FLOATS("d_x", minimoe_moe_layer_backward(layer, run->h.cache, x, count, d_y, count,
                                               real_of(run->c, "balance_scale"), OUT));
  put_parameters(run, "gradients", "gradient", 1);

  int64_t load[16];
  size_t num_load = 0;
  minimoe_moe_cache_load(run->h.cache, load, 16, &num_load, NULL);
  for (int64_t i = 0; i < integer_of(run->c, "bias_updates"); ++i) {
    minimoe_moe_layer_update_bias(layer, load, num_load, NULL);
  }
  PUT_FLOATS("expert_bias", minimoe_moe_layer_parameter_get(layer, "expert_bias", OUT));
  free(x);
  free(d_y);
  free(valid);
  return 1;
}

static void put_trace(struct run *run, const int32_t *tokens, size_t num_tokens, const uint8_t *valid,
                      size_t num_valid) {
  enum { CAPACITY = 1024 };
  int32_t experts[CAPACITY];
  float weights[CAPACITY];
  uint8_t kept[CAPACITY];
  size_t num_experts = 0, num_weights = 0, num_kept = 0;
  minimoe_error said = {0, 0, ""};
  const minimoe_status status = minimoe_model_routing_trace(
      run->h.model, tokens, num_tokens, valid, num_valid, size(run, "seq_len"), experts, CAPACITY, &num_experts,
      weights, CAPACITY, &num_weights, kept, CAPACITY, &num_kept, &said);
  if (status != MINIMOE_OK) {
    put_error(run->out, "trace.experts", status, &said);
    put_error(run->out, "trace.weights", status, &said);
    put_error(run->out, "trace.kept", status, &said);
    return;
  }
  put_int32(run->out, "trace.experts", experts, num_experts);
  put_float(run->out, "trace.weights", weights, num_weights);
  put_uint8(run->out, "trace.kept", kept, num_kept);
}

static int run_model(struct run *run) {
  CREATE(minimoe_model_create(JSON("config"), &run->options, &run->h.model, err));
  minimoe_model *model = run->h.model, *loaded = NULL;
  PUT_TEXT("config", minimoe_model_config(model, OUT));
  PUT_TEXT("info", minimoe_model_info(model, OUT));
  size_t num_parameters = 0;
  PUT_INTEGER(
      size_t, "num_parameters",
      (minimoe_model_num_parameters(model, &num_parameters, NULL), minimoe_model_num_parameters(model, &value, err)));
  put_parameter_info(run, num_parameters);
  if (!set_parameters(run)) return 0;

  const size_t num_tokens = size(run, "num_tokens"), seq_len = size(run, "seq_len");
  int32_t *tokens = make_tokens(integer_of(run->c, "tag") + 100, num_tokens, integer_of(run->c, "vocab_size"));
  size_t num_valid = 0;
  uint8_t *valid = make_valid(run, &num_valid);
  PUT_FLOATS("logits", minimoe_model_forward(model, tokens, num_tokens, valid, num_valid, seq_len, OUT));
  put_trace(run, tokens, num_tokens, valid, num_valid);
  PUT(int32_t, int32, "generated",
      minimoe_model_generate(model, tokens, size(run, "prompt"), JSON("generate"), NULL, OUT));
  put_parameters(run, "read", "parameter", 0);
  minimoe_error said = {0, 0, ""};
  put_saved(run, "file", minimoe_model_save(model, text(run, "path"), &said), &said);
  minimoe_status status = minimoe_model_load(text(run, "path"), &run->options, &loaded, &said);
  if (status == MINIMOE_OK) {
    PUT_FLOATS("loaded.logits", minimoe_model_forward(loaded, tokens, num_tokens, valid, num_valid, seq_len, OUT));
  } else {
    put_error(run->out, "loaded.logits", status, &said);
  }
  minimoe_model_free(loaded);
  free(tokens);
  free(valid);
  return 1;
}

static int run_health_check(struct run *run) {
  PUT_TEXT("health", minimoe_health_check(JSON("log"), JSON("json"), OUT));
  return 1;
}

static int run_load_statistics(struct run *run) {
  int64_t load[16];
  size_t count = 0;
  char word[24];
  for (const char *list = text(run, "load"); next_word(&list, word, sizeof(word)); ++count) {
    load[count] = strtoll(word, NULL, 10);
  }
  PUT_TEXT("statistics", minimoe_load_statistics(load, count, size(run, "top_k"), OUT));
  return 1;
}

static int run_compare_verdict(struct run *run) {
  PUT_TEXT("verdict", minimoe_compare_verdict(JSON("json"), OUT));
  return 1;
}

static int run_compare_findings(struct run *run) {
  PUT_TEXT("findings", minimoe_compare_findings(JSON("json"), OUT));
  return 1;
}

static int run_run_findings(struct run *run) {
  PUT_TEXT("findings", minimoe_run_findings(JSON("json"), OUT));
  return 1;
}

static int run_break_findings(struct run *run) {
  PUT_TEXT("findings", minimoe_break_findings(JSON("json"), OUT));
  return 1;
}

static const struct {
  const char *op;
  int (*run)(struct run *run);
} kOperations[] = {{"library", run_library},
                   {"preset", run_preset},
                   {"config", run_config},
                   {"file", run_file},
                   {"dataset", run_dataset},
                   {"layer", run_layer},
                   {"model", run_model},
                   {"train", run_train},
                   {"analyse", run_analyse},
                   {"health_check", run_health_check},
                   {"load_statistics", run_load_statistics},
                   {"compare_verdict", run_compare_verdict},
                   {"compare_findings", run_compare_findings},
                   {"run_findings", run_run_findings},
                   {"break_findings", run_break_findings},
                   {"status", run_status}};

static void run_case(const char *name, const struct golden_case *c, FILE *out) {
  static struct results results;
  struct run run;
  memset(&run, 0, sizeof(run));
  run.c = c;
  run.out = &results;
  results.size = 0;
  minimoe_options_init(&run.options, sizeof(run.options), NULL);
  run.options.instruction_set = instruction_set;
  for (size_t i = 0; i < c->num_fields; ++i) {
    if (strcmp(c->keys[i], "num_threads") == 0) run.options.num_threads = (int32_t)integer_of(c, "num_threads");
  }
  const char *op = text_of(c, "op");
  size_t i = 0;
  while (i < sizeof(kOperations) / sizeof(kOperations[0]) && strcmp(kOperations[i].op, op) != 0) ++i;
  if (i == sizeof(kOperations) / sizeof(kOperations[0])) {
    fprintf(stderr, "golden_runner: no operation %s\n", op);
    exit(1);
  }
  kOperations[i].run(&run);
  free_handles(&run.h);

  static int first = 1;
  struct results quoted = {NULL, 0, 0};
  print_string(&quoted, name);
  fprintf(out, "%s%s: {%.*s}", first ? "" : ",\n", quoted.text, (int)results.size, results.text);
  free(quoted.text);
  first = 0;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fputs("usage: golden_runner CASES RESULTS\n", stderr);
    return 2;
  }
  size_t length = 0;
  char *const cases = read_file(argv[1], &length);
  FILE *out = must_have(fopen(argv[2], "wb"));
  fputs("{\"format\": 1, \"language\": \"c\", \"results\": {\n", out);
  struct golden_case c = {0, {NULL}, {NULL}};
  const char *key = NULL, *value = NULL, *name = NULL;
  for (char *rest = cases; next_field(&rest, &key, &value);) {
    if (strcmp(key, "instruction_set") == 0) {
      instruction_set = (int32_t)strtol(value, NULL, 10);
    } else if (strcmp(key, "case") == 0) {
      if (name) run_case(name, &c, out);
      name = value;
      c.num_fields = 0;
    } else if (c.num_fields < MAX_FIELDS) {
      c.keys[c.num_fields] = key;
      c.values[c.num_fields++] = value;
    }
  }
  if (name) run_case(name, &c, out);
  fputs("\n}}\n", out);
  free(cases);
  return fclose(out) == 0 ? 0 : 1;
}
