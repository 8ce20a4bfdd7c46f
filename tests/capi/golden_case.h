/* SPDX-License-Identifier: Apache-2.0 */
/* A case of the golden set as make_flat.py writes it, and its inputs as README.md of tests/golden/bindings has them. */
#ifndef MINIMOE_TESTS_GOLDEN_CASE_H_
#define MINIMOE_TESTS_GOLDEN_CASE_H_

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIELDS = 40 };

struct golden_case {
  size_t num_fields;
  const char *keys[MAX_FIELDS];
  const char *values[MAX_FIELDS];
};

/* A test that cannot go on has nothing better to do. */
static void *must_have(void *memory) {
  if (!memory) {
    fputs("golden_runner: out of memory, or a file is missing\n", stderr);
    exit(1);
  }
  return memory;
}

static const char *text_of(const struct golden_case *c, const char *key) {
  for (size_t i = 0; i < c->num_fields; ++i) {
    if (strcmp(c->keys[i], key) == 0) return c->values[i];
  }
  fprintf(stderr, "golden_runner: the case has no %s\n", key);
  exit(1);
}

static int64_t integer_of(const struct golden_case *c, const char *key) { return strtoll(text_of(c, key), NULL, 10); }

static size_t size_of(const struct golden_case *c, const char *key) { return (size_t)integer_of(c, key); }

static double real_of(const struct golden_case *c, const char *key) { return strtod(text_of(c, key), NULL); }

/* The next word of a list, copied into `word`; NULL at the end. */
static const char *next_word(const char **list, char *word, size_t capacity) {
  const size_t length = strcspn(*list, " ");
  if (length == 0 || length >= capacity) return NULL;
  memcpy(word, *list, length);
  word[length] = '\0';
  *list += length;
  if (**list == ' ') ++*list;
  return word;
}

/* The file's bytes and a NUL; the caller frees them. */
static char *read_file(const char *path, size_t *size) {
  FILE *file = must_have(fopen(path, "rb"));
  char *bytes = NULL;
  size_t capacity = 0;
  *size = 0;
  do {
    capacity += 65536;
    bytes = must_have(realloc(bytes, capacity + 1));
    *size += fread(bytes + *size, 1, capacity - *size, file);
  } while (*size == capacity);
  fclose(file);
  bytes[*size] = '\0';
  return bytes;
}

static void unescape(char *text) {
  char *to = text;
  for (const char *from = text; *from; ++from) {
    const int escaped = *from == '\\';
    if (escaped) ++from;
    *to++ = escaped && *from == 'n' ? '\n' : *from;
  }
  *to = '\0';
}

/* Cuts the next line "KEY VALUE" out of *rest; 0 at the end. */
static int next_field(char **rest, const char **key, const char **value) {
  if (!**rest) return 0;
  char *const line = *rest;
  char *const end = line + strcspn(line, "\n");
  *rest = *end ? end + 1 : end;
  *end = '\0';
  char *const space = line + strcspn(line, " ");
  char *const rest_of_line = *space ? space + 1 : space;
  *space = '\0';
  unescape(rest_of_line);
  *key = line;
  *value = rest_of_line;
  return 1;
}

static int64_t hash_of(int64_t tag, int64_t i) {
  const int64_t m = (tag * 7919 + i * 104729 + 1) % 1000003;
  return m * m % 1000003;
}

/* Element i is that of i mod period; the caller frees the result. */
static float *fill(int64_t tag, size_t count, size_t period, double scale) {
  float *values = must_have(malloc((count + 1) * sizeof(*values)));
  for (size_t i = 0; i < count; ++i) {
    values[i] = (float)((double)(hash_of(tag, (int64_t)(i % period)) % 1009 - 504) * scale);
  }
  return values;
}

static int32_t *make_tokens(int64_t tag, size_t count, int64_t vocab_size) {
  int32_t *tokens = must_have(malloc((count + 1) * sizeof(*tokens)));
  for (size_t n = 0; n < count; ++n) {
    const int64_t i = (int64_t)n;
    tokens[n] = (int32_t)((i * i + hash_of(tag, i) % 3) % vocab_size);
  }
  return tokens;
}

#endif
