/* SPDX-License-Identifier: Apache-2.0 */
/* The bare MoE layer inside someone else's model and loop. The host below has its own linear layers, its own gradients
 * and its own optimizer (SGD with momentum); libminimoe gives it one layer:
 *
 *   h = M x        the host's
 *   y = h + moe(h) the library's, with the host's residual connection
 *   p = w . y      the host's; the loss is the mean of (p - target)^2 / 2
 *
 * The layer's parameters and gradients lie in the host's arrays, so one optimizer loop covers everything. A step has
 * two micro-batches: both forwards come before both backwards, each with a cache of its own.
 *
 * The target is x[2 + quadrant], the quadrant being that of (x[0], x[1]): linear where you stand, not as a whole. The
 * best linear model, and so the host alone, has a loss of 1/8 (the mean of target^2 / 2 is 1/6, of which it explains a
 * quarter). */
#include <minimoe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { D = 8, F = 32, E = 4, K = 2, T = 128, kMicro = 2, kSteps = 600 };

static const char kConfig[] =
    "{\"model\": {\"d_model\": 8, \"init_std\": 0.3, \"moe\": {\"num_experts\": 4, \"top_k\": 2, \"d_expert\": 32,"
    "             \"router_init_std\": 0.3, \"aux_loss_coef\": 0.01, \"bias_balancing\": true}},"
    " \"train\": {\"seed\": 5}}";

static minimoe_error err;

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

/* Everything that is trained, in one array; the layer's part is bound to it below. */
static const struct {
  const char *name; /* of the layer's parameter; NULL: the host's */
  size_t size;
} kParts[] = {{NULL, D *D},
              {NULL, D},
              {"router.weight", E *D},
              {"experts.w_up_proj", E *F *D},
              {"experts.b_up_proj", E *F},
              {"experts.w_down_proj", E *D *F},
              {"experts.b_down_proj", E *D}};
enum { kNumParts = sizeof kParts / sizeof kParts[0], kSize = D * D + D + E * D + 2 * E * F * D + E * F + E * D };
static float values[kSize], gradients[kSize], momentum[kSize];
static float *const M = values, *const w = values + D * D;
static float *const d_M = gradients, *const d_w = gradients + D * D;

static float uniform(void) { /* in -1..1 */
  static uint32_t state = 1;
  state = state * 1664525u + 1013904223u;
  return (float)(state >> 8) / 8388608.0f - 1.0f;
}

static minimoe_moe_layer *make_layer(void) {
  minimoe_moe_layer *layer = NULL;
  CHECK(minimoe_moe_layer_create(kConfig, strlen(kConfig), NULL, &layer, &err));
  float *p = values, *g = gradients;
  for (int i = 0; i < kNumParts; p += kParts[i].size, g += kParts[i].size, i++) {
    if (kParts[i].name == NULL) {
      for (size_t j = 0; j < kParts[i].size; j++) p[j] = 0.5f * uniform();
      continue;
    }
    /* The layer's own start values, copied out; from here on it reads and adds to the host's memory. */
    CHECK(minimoe_moe_layer_parameter_get(layer, kParts[i].name, p, kParts[i].size, NULL, &err));
    CHECK(minimoe_moe_layer_bind_parameter(layer, kParts[i].name, p, kParts[i].size, &err));
    CHECK(minimoe_moe_layer_bind_gradient(layer, kParts[i].name, g, kParts[i].size, &err));
  }
  return layer;
}

/* One micro-batch: what the host remembers of its forward, beside the layer's cache. */
typedef struct {
  minimoe_moe_cache *cache;
  float x[T * D], h[T * D], y[T * D], error[T];
} micro_batch;

static double forward(const minimoe_moe_layer *layer, micro_batch *b) {
  double loss = 0;
  for (int t = 0; t < T; t++) {
    float *x = b->x + t * D, *h = b->h + t * D;
    for (int i = 0; i < D; i++) x[i] = uniform();
    for (int i = 0; i < D; i++) {
      h[i] = 0;
      for (int j = 0; j < D; j++) h[i] += M[i * D + j] * x[j];
    }
  }
  CHECK(minimoe_moe_layer_forward(layer, b->cache, b->h, T * D, NULL, 0, 0, b->y, T * D, NULL, &err));
  for (int t = 0; t < T; t++) {
    const float *x = b->x + t * D;
    b->error[t] = -x[2 + 2 * (x[0] > 0) + (x[1] > 0)];
    for (int i = 0; i < D; i++) {
      b->y[t * D + i] += b->h[t * D + i];
      b->error[t] += w[i] * b->y[t * D + i];
    }
    loss += 0.5 * b->error[t] * b->error[t] / (kMicro * T);
  }
  return loss;
}

static void backward(minimoe_moe_layer *layer, micro_batch *b) {
  static float d_y[T * D], d_h[T * D];
  for (int t = 0; t < T; t++) {
    const float d_p = b->error[t] / (kMicro * T);
    for (int i = 0; i < D; i++) {
      d_w[i] += d_p * b->y[t * D + i];
      d_y[t * D + i] = d_p * w[i];
    }
  }
  /* Adds to the bound gradients, those of the balance loss included: 1 / kMicro of it for each of the micro-batches.
   * What it returns is the gradient of its input; the residual connection adds d_y. */
  CHECK(minimoe_moe_layer_backward(layer, b->cache, b->h, T * D, d_y, T * D, 1.0 / kMicro, d_h, T * D, NULL, &err));
  for (int t = 0; t < T; t++) {
    for (int i = 0; i < D; i++) {
      for (int j = 0; j < D; j++) d_M[i * D + j] += (d_h[t * D + i] + d_y[t * D + i]) * b->x[t * D + j];
    }
  }
}

int main(void) {
  CHECK(minimoe_check_version(MINIMOE_VERSION_NUMBER, &err));
  minimoe_moe_layer *layer = make_layer();
  static micro_batch batches[kMicro];
  for (int m = 0; m < kMicro; m++) CHECK(minimoe_moe_cache_create(layer, T, &batches[m].cache, &err));

  double loss = 0;
  minimoe_routing_metrics routing;
  for (int step = 1; step <= kSteps; step++) {
    int64_t step_load[E] = {0};
    memset(gradients, 0, sizeof gradients);
    loss = 0;
    for (int m = 0; m < kMicro; m++) loss += forward(layer, &batches[m]);
    for (int m = 0; m < kMicro; m++) backward(layer, &batches[m]);

    for (int i = 0; i < kSize; i++) {
      momentum[i] = 0.9f * momentum[i] + gradients[i];
      values[i] -= 0.05f * momentum[i];
    }
    CHECK(minimoe_moe_layer_parameters_changed(layer, &err)); /* the layer may keep what it derived from them */

    /* The other way of balancing, beside the loss: a bias on the choice of experts, moved once an optimizer step. The
     * routing stays readable in the caches after the backwards. */
    for (int m = 0; m < kMicro; m++) {
      int64_t load[E];
      CHECK(minimoe_moe_cache_load(batches[m].cache, load, E, NULL, &err));
      for (int e = 0; e < E; e++) step_load[e] += load[e];
    }
    CHECK(minimoe_moe_layer_update_bias(layer, step_load, E, &err));

    if (step % 100 == 0) {
      CHECK(minimoe_moe_cache_metrics(batches[0].cache, &routing, sizeof routing, &err));
      printf("step %3d  loss %.4f  balance loss %.3f  tokens per expert", step, loss, routing.aux_loss);
      for (int e = 0; e < E; e++) printf(" %3lld", (long long)step_load[e]);
      printf("\n");
    }
  }
  claim(loss < 0.5 / 8, "the loss is less than half of what linear models reach");
  claim(routing.max_violation < 1, "no expert has twice its share of the tokens");

  /* Which experts a token went to, and with which weights: they sum to 1. */
  int32_t experts[T * K];
  float weights[T * K];
  CHECK(minimoe_moe_cache_topk_idx(batches[0].cache, experts, T * K, NULL, &err));
  CHECK(minimoe_moe_cache_gate_weights(batches[0].cache, weights, T * K, NULL, &err));
  printf("token 0: %.2f of expert %d, %.2f of expert %d\n", weights[0], (int)experts[0], weights[1], (int)experts[1]);
  claim(weights[0] + weights[1] > 0.999f && weights[0] + weights[1] < 1.001f,
        "the weights of a token's experts sum to 1");

  /* Inference needs no cache and may run on several threads at a time. */
  static float inferred[T * D];
  forward(layer, &batches[0]);
  CHECK(minimoe_moe_layer_infer(layer, batches[0].h, T * D, NULL, 0, inferred, T * D, NULL, &err));
  for (int i = 0; i < T * D; i++) inferred[i] += batches[0].h[i];
  claim(memcmp(inferred, batches[0].y, sizeof inferred) == 0, "inference gives the bits of the training forward");

  for (int m = 0; m < kMicro; m++) minimoe_moe_cache_free(batches[m].cache);
  minimoe_moe_layer_free(layer);
  return 0;
}
