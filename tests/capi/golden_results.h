/* SPDX-License-Identifier: Apache-2.0 */
/* Results of the golden set as JSON. Those of a case are gathered in memory, since its failure drops them. */
#ifndef MINIMOE_TESTS_GOLDEN_RESULTS_H_
#define MINIMOE_TESTS_GOLDEN_RESULTS_H_

#include <minimoe.h>
#include <stdarg.h>
#include <stdint.h>

#include "golden_case.h"

struct results {
  char *text;
  size_t size, capacity;
};

static void print(struct results *r, const char *format, ...) {
  for (;;) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(r->text + r->size, r->capacity - r->size, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < r->capacity - r->size) {
      r->size += (size_t)length;
      return;
    }
    r->capacity = 2 * r->capacity + (size_t)length + 1;
    r->text = must_have(realloc(r->text, r->capacity));
  }
}

static void print_string(struct results *r, const char *text) {
  print(r, "\"");
  for (; *text; ++text) {
    const unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') {
      print(r, "\\%c", c);
    } else if (c < 0x20) {
      print(r, "\\u%04x", c);
    } else {
      print(r, "%c", c);
    }
  }
  print(r, "\"");
}

static void put_key(struct results *r, const char *key) {
  if (r->size > 0) print(r, ",\n");
  print_string(r, key);
  print(r, ": ");
}

static void put_string(struct results *r, const char *key, const char *text) {
  put_key(r, key);
  print_string(r, text);
}

static void put_null(struct results *r, const char *key) {
  put_key(r, key);
  print(r, "null");
}

static void put_integer(struct results *r, const char *key, int64_t value) {
  put_key(r, key);
  print(r, "%lld", (long long)value);
}

static void put_error(struct results *r, const char *key, minimoe_status status, const minimoe_error *err) {
  put_key(r, key);
  print(r, "{\"error\": \"%s\", \"message\": ", minimoe_status_name(status));
  print_string(r, err->message);
  print(r, "}");
}

/* The text that a minimoe_..(buf, ..) wrote. */
static void put_char(struct results *r, const char *key, const char *text, size_t count) {
  (void)count;
  put_string(r, key, text);
}

#define PUT_INTEGERS(name, type)                                                                 \
  static void put_##name(struct results *r, const char *key, const type *values, size_t count) { \
    put_key(r, key);                                                                             \
    print(r, "[");                                                                               \
    for (size_t i = 0; i < count; ++i) print(r, i ? ",%lld" : "%lld", (long long)values[i]);     \
    print(r, "]");                                                                               \
  }
PUT_INTEGERS(int64, int64_t)
PUT_INTEGERS(int32, int32_t)
PUT_INTEGERS(uint8, uint8_t)

static void put_float(struct results *r, const char *key, const float *values, size_t count) {
  put_key(r, key);
  print(r, "{\"f32\": [");
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    memcpy(&bits, &values[i], sizeof(bits));
    print(r, i ? ",%lu" : "%lu", (unsigned long)bits);
  }
  print(r, "]}");
}

static void put_double(struct results *r, const char *key, const double *values, size_t count) {
  put_key(r, key);
  print(r, "{\"f64\": [");
  for (size_t i = 0; i < count; ++i) {
    uint64_t bits;
    memcpy(&bits, &values[i], sizeof(bits));
    print(r, "%s\"%016llx\"", i ? "," : "", (unsigned long long)bits);
  }
  print(r, "]}");
}

static void put_file(struct results *r, const char *key, const char *path) {
  size_t size = 0;
  char *bytes = read_file(path, &size);
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
  free(bytes);
  put_key(r, key);
  print(r, "{\"fnv1a64\": \"%016llx\", \"size\": %zu}", (unsigned long long)hash, size);
}

#endif
