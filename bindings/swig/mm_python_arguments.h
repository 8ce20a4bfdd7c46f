/* SPDX-License-Identifier: Apache-2.0 */
/* Python objects into arguments of C. Every refusal names the argument. */
#include <stdint.h>
#include <string.h>

static void mm_expected(const char *name, const char *what, PyObject *got) {
  PyObject *type = PyType_GetName(Py_TYPE(got));
  if (!type) return;
  PyErr_Format(PyExc_TypeError, "%s: expected %s, got %U", name, what, type);
  Py_DECREF(type);
}

/* Writes an integer of `size` bytes. `highest` is UINT64_MAX for the unsigned types of 64 bits. */
static int mm_integer(PyObject *object, const char *name, int64_t lowest, uint64_t highest, void *value, size_t size) {
  PyObject *index = PyNumber_Index(object);
  int overflow = 0, fits;
  long long number;
  if (!index) {
    PyErr_Clear();
    mm_expected(name, "an integer", object);
    return 0;
  }
  number = PyLong_AsLongLongAndOverflow(index, &overflow);
  if (overflow > 0 && highest == UINT64_MAX) {
    unsigned long long large = PyLong_AsUnsignedLongLong(index);
    fits = !PyErr_Occurred();
    if (!fits) PyErr_Clear();
    number = (long long)large;
  } else {
    fits = !overflow && number >= lowest && (number < 0 || (uint64_t)number <= highest);
  }
  if (!fits) {
    PyErr_Format(PyExc_ValueError, "%s: %S is not in %lld..%llu", name, index, (long long)lowest,
                 (unsigned long long)highest);
  } else if (size == sizeof(int32_t)) {
    *(int32_t *)value = (int32_t)number;
  } else {
    *(int64_t *)value = (int64_t)number;
  }
  Py_DECREF(index);
  return fits;
}

typedef struct mm_text {
  const char *text;
  size_t length;
} mm_text;

/* UTF-8 that belongs to the object. @param whole a NUL inside would cut it, and is refused */
static int mm_text_in(PyObject *object, const char *name, int whole, mm_text *text) {
  Py_ssize_t length = 0;
  if (PyUnicode_Check(object)) {
    text->text = PyUnicode_AsUTF8AndSize(object, &length);
    if (!text->text) return 0;
  } else if (PyBytes_Check(object)) {
    char *bytes = NULL;
    if (PyBytes_AsStringAndSize(object, &bytes, &length) < 0) return 0;
    text->text = bytes;
  } else {
    mm_expected(name, "a str or bytes", object);
    return 0;
  }
  text->length = (size_t)length;
  if (whole && strlen(text->text) != text->length) {
    PyErr_Format(PyExc_ValueError, "%s: holds a NUL character", name);
    return 0;
  }
  return 1;
}

#define MM_OR_NONE 1
#define MM_WRITABLE 2

typedef struct mm_array {
  Py_buffer view;
  int held;
  void *data;
  size_t count;
} mm_array;

static void mm_array_release(mm_array *array) {
  if (array->held) PyBuffer_Release(&array->view);
  array->held = 0;
}

static const char *mm_kind_name(char kind, size_t size) {
  switch (kind) {
    case 'f':
      return "float32";
    case 'u':
      return "uint16";
    case 'b':
      return "uint8 or bool";
    default:
      return size == 8 ? "int64" : "int32";
  }
}

/* Whether a buffer's format, without its byte order, is of the kind: 'f'loat, 'i'nteger, 'u'nsigned, 'b'yte or bool. */
static int mm_format_fits(const char *format, char kind) {
  if (!format[0] || format[1]) return 0;
  return strchr(kind == 'f' ? "f" : kind == 'i' ? "ilq" : kind == 'u' ? "H" : "B?", format[0]) != NULL;
}

/* Takes the buffer of an object without a copy, when it holds elements of the kind and size, whole, native and in
 * order. None is an array without elements, when allowed. */
static int mm_array_in(PyObject *object, const char *name, char kind, size_t size, int flags, mm_array *array) {
  static const uint16_t one = 1;
  const char *format, *wanted = mm_kind_name(kind, size);
  char order;
  array->held = 0;
  array->data = NULL;
  array->count = 0;
  if (object == Py_None && (flags & MM_OR_NONE)) return 1;
  if (!PyObject_CheckBuffer(object)) {
    char what[64];
    PyOS_snprintf(what, sizeof what, "an array of %s", wanted);
    mm_expected(name, what, object);
    return 0;
  }
  if (PyObject_GetBuffer(object, &array->view, PyBUF_STRIDED_RO | PyBUF_FORMAT) < 0) {
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError, "%s: expected an array of %s; this object does not show its elements", name, wanted);
    return 0;
  }
  array->held = 1;
  format = array->view.format ? array->view.format : "B";
  order = *format && strchr("@=<>!", *format) ? *format++ : '@';
  if (!mm_format_fits(format, kind) || (size_t)array->view.itemsize != size) {
    PyErr_Format(PyExc_TypeError, "%s: expected an array of %s, got one of format '%s' with %zd bytes an element", name,
                 wanted, array->view.format ? array->view.format : "B", array->view.itemsize);
  } else if (size > 1 && (order == '!' || order == (*(const uint8_t *)&one ? '>' : '<'))) {
    PyErr_Format(PyExc_ValueError, "%s: its byte order is not this machine's", name);
  } else if ((flags & MM_WRITABLE) && array->view.readonly) {
    PyErr_Format(PyExc_ValueError, "%s: the array is read-only", name);
  } else if (!PyBuffer_IsContiguous(&array->view, 'C')) {
    PyErr_Format(PyExc_ValueError, "%s: the array is not C-contiguous", name);
  } else if ((uintptr_t)array->view.buf % size != 0) {
    PyErr_Format(PyExc_ValueError, "%s: the array is not aligned to %zu bytes", name, size);
  } else {
    array->data = array->view.buf;
    array->count = (size_t)array->view.len / size;
    return 1;
  }
  mm_array_release(array);
  return 0;
}

/* Room for the metrics of `max_steps` steps, which will be appended to `list`. */
static int mm_step_room(PyObject *list, int64_t max_steps, minimoe_step_metrics **metrics, size_t *cap) {
  if (!PyList_Check(list)) {
    mm_expected("metrics", "a list", list);
    return 0;
  }
  if (max_steps > 65536) {
    PyErr_Format(PyExc_ValueError, "max_steps: %lld is more than 65536 steps a call", (long long)max_steps);
    return 0;
  }
  if (max_steps <= 0) return 1;
  *metrics = (minimoe_step_metrics *)calloc((size_t)max_steps, sizeof **metrics);
  if (!*metrics) {
    PyErr_NoMemory();
    return 0;
  }
  *cap = (size_t)max_steps;
  return 1;
}
