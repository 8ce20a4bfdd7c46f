/* SPDX-License-Identifier: Apache-2.0 */
/* Loads and unloads the library 100 times; each time it trains, and is then gone. Usage: unload LIBRARY */
#include <dlfcn.h>
#include <malloc.h>
#include <minimoe.h>
#include <stdio.h>
#include <string.h>

#define RUN                                                                                                     \
  "{\"model\":{\"vocab_size\":13,\"d_model\":8,\"num_heads\":2,\"max_seq_len\":8,\"num_layers\":1,\"d_ff\":16," \
  "\"moe\":{\"layers\":[0],\"num_experts\":4,\"top_k\":2,\"d_expert\":16}},"                                    \
  "\"train\":{\"batch_size\":2,\"seq_len\":8}}"
#define DATA "{\"vocab_size\":13}"

static int is_mapped(void) {
  char line[4096];
  int found = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof(line), maps)) found = found || strstr(line, "libminimoe") != NULL;
  fclose(maps);
  return found;
}

/* dlsym gives an object pointer; C has no cast from it to a function. */
static void find(void *library, const char *name, void *function) {
  void *symbol = dlsym(library, name);
  memcpy(function, &symbol, sizeof(symbol));
}

static minimoe_status train(void *library) {
  minimoe_status (*dataset_create)(const char *, size_t, const minimoe_options *, minimoe_dataset **, minimoe_error *);
  minimoe_status (*append)(minimoe_dataset *, const int32_t *, size_t, const uint8_t *, size_t, minimoe_error *);
  minimoe_status (*model_create)(const char *, size_t, const minimoe_options *, minimoe_model **, minimoe_error *);
  minimoe_status (*trainer_create)(minimoe_model *, minimoe_dataset *, const char *, size_t, minimoe_trainer **,
                                   minimoe_error *);
  minimoe_status (*steps)(minimoe_trainer *, int64_t, minimoe_cancel_token *, minimoe_step_metrics *, size_t, size_t,
                          size_t *, minimoe_error *);
  void (*trainer_free)(minimoe_trainer *);
  void (*model_free)(minimoe_model *);
  void (*dataset_free)(minimoe_dataset *);
  find(library, "minimoe_dataset_create", &dataset_create);
  find(library, "minimoe_dataset_append_i32", &append);
  find(library, "minimoe_model_create", &model_create);
  find(library, "minimoe_trainer_create", &trainer_create);
  find(library, "minimoe_trainer_steps", &steps);
  find(library, "minimoe_trainer_free", &trainer_free);
  find(library, "minimoe_model_free", &model_free);
  find(library, "minimoe_dataset_free", &dataset_free);

  minimoe_dataset *dataset = NULL;
  minimoe_model *model = NULL;
  minimoe_trainer *trainer = NULL;
  minimoe_options options;
  int32_t tokens[100];
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.num_threads = 2;
  for (int i = 0; i < 100; ++i) tokens[i] = i * i % 13;
  minimoe_error err;
  minimoe_status status = dataset_create(DATA, strlen(DATA), &options, &dataset, &err);
  if (!status) status = append(dataset, tokens, 100, NULL, 0, &err);
  if (!status) status = model_create(RUN, strlen(RUN), &options, &model, &err);
  if (!status) status = trainer_create(model, dataset, RUN, strlen(RUN), &trainer, &err);
  if (!status) status = steps(trainer, 2, NULL, NULL, 0, 0, NULL, &err);
  /* A call that fails takes the other way out. */
  if (!status && steps(trainer, -1, NULL, NULL, 0, 0, NULL, &err) != MINIMOE_E_INVALID_ARGUMENT) status = -1;
  if (status) fprintf(stderr, "%s\n", err.message);
  trainer_free(trainer);
  model_free(model);
  dataset_free(dataset);
  return status;
}

int main(int argc, char **argv) {
  size_t settled = 0;
  if (argc != 2 || is_mapped()) return 2;
  for (int i = 0; i < 100; ++i) {
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    if (train(library) != MINIMOE_OK) return 1;
    dlclose(library);
    if (is_mapped()) {
      fprintf(stderr, "still mapped after unloading it for the %d. time\n", i + 1);
      return 1;
    }
    if (i == 9) settled = mallinfo2().uordblks;
  }
  const size_t at_end = mallinfo2().uordblks;
  printf("heap in use after 10 rounds %zu bytes, after 100 rounds %zu\n", settled, at_end);
  /* The C++ runtime is unloaded with it and may keep a few blocks; 90 rounds must not add up. */
  if (at_end > settled + 90 * 16) {
    fprintf(stderr, "the heap grew\n");
    return 1;
  }
  return 0;
}
