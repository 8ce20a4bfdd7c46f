/* SPDX-License-Identifier: Apache-2.0 */
/* Results of C into Python objects. */
#include <stdint.h>

/* The first 1,024 bytes hold almost every document that the library writes. */
typedef struct mm_output_text {
  char first[1024];
  char *heap;
  size_t needed;
} mm_output_text;

/* One output is the result itself, several are a list. Takes both references; NULL when there is no memory. */
static PyObject *mm_append(PyObject *result, PyObject *output) {
  if (!output) {
    Py_XDECREF(result);
    return NULL;
  }
  return SWIG_Python_AppendOutput(result, output, 1);
}

static PyObject *mm_evaluation(const minimoe_evaluation *evaluation) {
  return Py_BuildValue("(dLL)", evaluation->loss, (long long)evaluation->num_targets,
                       (long long)evaluation->num_windows);
}

static PyObject *mm_routing_metrics(const minimoe_routing_metrics *metrics) {
  return Py_BuildValue("(LLdddd)", (long long)metrics->num_tokens, (long long)metrics->num_dropped, metrics->aux_loss,
                       metrics->z_loss, metrics->max_violation, metrics->load_entropy);
}

/* (shape, address, number of values, generation) */
static PyObject *mm_tensor_view(const minimoe_tensor_view *view) {
  PyObject *shape = PyTuple_New(view->num_dims);
  int32_t i;
  if (!shape) return NULL;
  for (i = 0; i < view->num_dims; ++i) {
    PyObject *size = PyLong_FromLongLong(view->shape[i]);
    if (!size || PyTuple_SetItem(shape, i, size) < 0) {
      Py_DECREF(shape);
      return NULL;
    }
  }
  return Py_BuildValue("(NNKK)", shape, PyLong_FromVoidPtr((void *)view->values), (unsigned long long)view->num_values,
                       (unsigned long long)view->generation);
}

static int mm_append_steps(PyObject *list, const minimoe_step_metrics *steps, size_t count) {
  size_t i;
  for (i = 0; i < count; ++i) {
    const minimoe_step_metrics *s = &steps[i];
    PyObject *item =
        Py_BuildValue("(LddddddLL)", (long long)s->step, s->loss, s->aux_loss, s->z_loss, s->total_loss,
                      s->learning_rate, s->gradient_norm, (long long)s->num_tokens, (long long)s->num_extra_passes);
    if (!item || PyList_Append(list, item) < 0) {
      Py_XDECREF(item);
      return 0;
    }
    Py_DECREF(item);
  }
  return 1;
}
