// SPDX-License-Identifier: Apache-2.0
// Makes every allocation of a whole life fail in turn: first the C++ heap's, then the host allocator's; once and for
// ever. Each failure is MINIMOE_E_OUT_OF_MEMORY, leaks nothing, and leaves handles that go on to the same bits.
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>

#include "capi/small_run.hpp"
#include "support/temporary_directory.hpp"

namespace {

std::atomic<long> live{0};            // blocks of the C++ heap
std::atomic<long> countdown{-1};      // allocations until one fails; negative: none does
std::atomic<bool> for_ever{false};    // whether the ones after it fail too
std::atomic<long> host_live{0};       // blocks of the host allocator
std::atomic<bool> heap_fails{false};  // which of the two is counted down

bool must_fail() {
  long left = countdown.load();
  while (left >= 0 && !countdown.compare_exchange_weak(left, left == 0 && for_ever ? 0 : left - 1)) {
  }
  return left == 0;
}

void* heap_allocate(std::size_t size, std::size_t alignment) {
  if (heap_fails && must_fail()) return nullptr;
  void* memory = std::aligned_alloc(alignment, (size + alignment) / alignment * alignment);
  if (memory) ++live;
  return memory;
}

void heap_free(void* memory) {
  if (memory) --live;
  std::free(memory);
}

void* host_allocate(void*, std::size_t size, std::size_t alignment) {
  if (!heap_fails && must_fail()) return nullptr;
  void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory) ++host_live;
  return memory;
}

void host_deallocate(void*, void* memory, std::size_t, std::size_t) {
  --host_live;
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) {
  if (void* memory = heap_allocate(size, alignof(std::max_align_t))) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  if (void* memory = heap_allocate(size, static_cast<std::size_t>(alignment))) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return heap_allocate(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return heap_allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { heap_free(memory); }
void operator delete(void* memory, std::size_t) noexcept { heap_free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { heap_free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { heap_free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { heap_free(memory); }

namespace {

using minimoe_test::kSmallData;
using minimoe_test::kSmallRun;

constexpr int kTokens = 200, kGenerated = 4, kLogits = 13, kStreamed = 3;
constexpr const char* kGenerate = R"({"max_new_tokens":4,"temperature":0})";
constexpr const char* kStream = R"({"seed":3,"top_p":0.9})";

struct Life {
  std::int32_t tokens[kTokens];
  char path[512];
  minimoe_options options;
  minimoe_error error;
  minimoe_dataset* dataset;
  minimoe_model *model, *loaded;
  minimoe_trainer *trainer, *resumed;
  minimoe_token_stream* stream;
  minimoe_moe_layer* layer;
  minimoe_moe_cache* cache;
  std::int32_t generated[kGenerated], streamed[kStreamed];
  float logits[kLogits], y[16], d_x[16];
  double loss;
};

minimoe_status create_trainer(Life& life, minimoe_model* model, minimoe_trainer** out) {
  return minimoe_trainer_create(model, life.dataset, kSmallRun, std::strlen(kSmallRun), out, &life.error);
}

// Up to `step`, from wherever an earlier failure left off.
minimoe_status train_until(Life& life, minimoe_trainer* trainer, std::int64_t step) {
  std::int64_t now = 0;
  const minimoe_status status = minimoe_trainer_step(trainer, &now, &life.error);
  if (status != MINIMOE_OK) return status;
  return minimoe_trainer_steps(trainer, step - now, nullptr, nullptr, 0, 0, nullptr, &life.error);
}

constexpr float kX[16] = {0.1f, -0.2f, 0.3f, 0.4f,  -0.5f,  0.6f, 0.7f, 0.8f,
                          1,    -1,    0.5f, 0.25f, -0.75f, 0.3f, 0.2f, 0.1f};

template <int I>
minimoe_status next(Life& life) {
  return minimoe_token_stream_next(life.stream, nullptr, &life.streamed[I], &life.error);
}

using Part = minimoe_status (*)(Life&);
constexpr Part kParts[] = {
    [](Life& l) {
      return minimoe_dataset_create(kSmallData, std::strlen(kSmallData), &l.options, &l.dataset, &l.error);
    },
    [](Life& l) { return minimoe_dataset_append_i32(l.dataset, l.tokens, kTokens, nullptr, 0, &l.error); },
    [](Life& l) { return minimoe_model_create(kSmallRun, std::strlen(kSmallRun), &l.options, &l.model, &l.error); },
    [](Life& l) { return create_trainer(l, l.model, &l.trainer); },
    [](Life& l) { return train_until(l, l.trainer, 3); },
    [](Life& l) { return minimoe_trainer_save(l.trainer, l.path, &l.error); },
    [](Life& l) { return minimoe_model_load(l.path, &l.options, &l.loaded, &l.error); },
    [](Life& l) { return create_trainer(l, l.loaded, &l.resumed); },
    [](Life& l) {
      const minimoe_status status = minimoe_trainer_resume(l.resumed, l.path, &l.error);
      std::int64_t step = 0;
      const minimoe_status asked = minimoe_trainer_step(l.resumed, &step, nullptr);
      const bool told = asked == MINIMOE_OK && step == (status == MINIMOE_OK ? 3 : 0);  // a failure has changed nothing
      return told ? status : MINIMOE_E_INTERNAL;
    },
    [](Life& l) { return train_until(l, l.resumed, 5); },
    [](Life& l) {
      minimoe_evaluation evaluation;
      const minimoe_status status =
          minimoe_trainer_evaluate(l.resumed, "val", 0, nullptr, &evaluation, sizeof(evaluation), &l.error);
      if (status == MINIMOE_OK) l.loss = evaluation.loss;
      return status;
    },
    [](Life& l) {
      char text[512];
      return minimoe_trainer_interference(l.resumed, nullptr, text, sizeof(text), nullptr, &l.error);
    },
    [](Life& l) {
      return minimoe_model_generate(l.loaded, l.tokens, 3, kGenerate, std::strlen(kGenerate), nullptr, l.generated,
                                    kGenerated, nullptr, &l.error);
    },
    [](Life& l) {
      return minimoe_model_forward(l.loaded, l.tokens, 1, nullptr, 0, 1, l.logits, kLogits, nullptr, &l.error);
    },
    [](Life& l) {
      return minimoe_token_stream_create(l.loaded, l.tokens, 3, kStream, std::strlen(kStream), &l.stream, &l.error);
    },
    &next<0>,
    &next<1>,
    &next<2>,
    [](Life& l) { return minimoe_moe_layer_create(kSmallRun, std::strlen(kSmallRun), &l.options, &l.layer, &l.error); },
    [](Life& l) { return minimoe_moe_cache_create(l.layer, 2, &l.cache, &l.error); },
    [](Life& l) {
      return minimoe_moe_layer_forward(l.layer, l.cache, kX, 16, nullptr, 0, 0, l.y, 16, nullptr, &l.error);
    },
    [](Life& l) {
      return minimoe_moe_layer_backward(l.layer, l.cache, kX, 16, kX, 16, 1, l.d_x, 16, nullptr, &l.error);
    },
};

void begin(Life& life, const std::string& path) {
  life = Life{};
  for (int i = 0; i < kTokens; ++i) life.tokens[i] = i * i % 13;
  std::snprintf(life.path, sizeof(life.path), "%s", path.c_str());
  minimoe_options_init(&life.options, sizeof(life.options), nullptr);
  life.options.num_threads = 2;
  life.options.allocate = &host_allocate;
  life.options.deallocate = &host_deallocate;
  life.options.log = [](void*, std::int32_t, const char*) {};
}

void end(Life& life) {
  minimoe_moe_cache_free(life.cache);
  minimoe_moe_layer_free(life.layer);
  minimoe_token_stream_free(life.stream);
  minimoe_trainer_free(life.resumed);
  minimoe_model_free(life.loaded);
  minimoe_trainer_free(life.trainer);
  minimoe_model_free(life.model);
  minimoe_dataset_free(life.dataset);
}

bool same_results(const Life& a, const Life& b) {
  return std::memcmp(a.logits, b.logits, sizeof(a.logits)) == 0 && a.loss == b.loss &&
         std::memcmp(a.generated, b.generated, sizeof(a.generated)) == 0 &&
         std::memcmp(a.streamed, b.streamed, sizeof(a.streamed)) == 0 && std::memcmp(a.y, b.y, sizeof(a.y)) == 0 &&
         std::memcmp(a.d_x, b.d_x, sizeof(a.d_x)) == 0;
}

[[noreturn]] void give_up(const char* what, long at, std::size_t part, const Life& life, minimoe_status status) {
  countdown = -1;
  std::printf("%s: allocation %ld (%s, %s), part %zu, status %d: %s\n", what, at, heap_fails ? "heap" : "host",
              for_ever ? "for ever" : "once", part, status, life.error.message);
  std::exit(1);
}

// Lets allocation `at` fail. False when there was no such allocation.
bool run(long at, const std::string& path, const Life& expected) {
  const long live_before = live, host_before = host_live;
  Life life;
  begin(life, path);
  bool failed = false;
  countdown = at;
  for (std::size_t part = 0; part < std::size(kParts); ++part) {
    life.error.code = -1;
    minimoe_status status = kParts[part](life);
    if (status == MINIMOE_OK) continue;
    if (failed || status != MINIMOE_E_OUT_OF_MEMORY) give_up("wrong status", at, part, life, status);
    if (life.error.code != status || life.error.message[0] == '\0') give_up("no error", at, part, life, status);
    failed = true;
    if (for_ever) break;
    status = kParts[part](life);
    if (status != MINIMOE_OK) give_up("not usable after a failure", at, part, life, status);
  }
  const bool reached = countdown < 0 || (for_ever && countdown == 0);
  const bool complete = !(for_ever && failed);
  end(life);  // must need no memory: with for_ever, every allocation still fails
  countdown = -1;
  if (complete && !same_results(life, expected)) give_up("other results", at, 0, life, 0);
  if (live != live_before) give_up("leak of the heap", at, static_cast<std::size_t>(live - live_before), life, 0);
  if (host_live != host_before) give_up("leak of the host's memory", at, 0, life, 0);
  return reached;
}

}  // namespace

/// Usage: minimoe_fault_test [STRIDE]; only each STRIDE-th allocation fails.
int main(int argc, char** argv) {
  const long stride = argc > 1 ? std::atol(argv[1]) : 1;
  if (stride < 1) return 2;
  minimoe_test::TemporaryDirectory directory;
  const std::string path = directory.file("run.safetensors");
  Life expected;
  begin(expected, path);
  for (const Part part : kParts) {
    if (const minimoe_status status = part(expected)) give_up("undisturbed", -1, 0, expected, status);
  }
  end(expected);
  for (const bool heap : {false, true}) {
    for (const bool ever : {false, true}) {
      heap_fails = heap;
      for_ever = ever;
      long at = 0;
      while (run(at, path, expected)) at += stride;
      std::printf("%s allocator: %ld allocations, each of stride %ld failed %s\n", heap ? "heap" : "host", at, stride,
                  ever ? "for ever" : "once");
      if (at < 10) return 1;
    }
  }
}
