/* SPDX-License-Identifier: Apache-2.0 */
/* What the library calls: log, allocator, release of borrowed arrays. And what turns a status into an exception. */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

static PyObject *mm_error_factory, *mm_log_handler;

/* An interpreter that is ending ends each thread that waits for it, there and then, which the library's C++ frames
 * between do not survive. So from mm_leave_python on nobody begins to wait, and it lets those that have begun come
 * through. */
static atomic_int mm_left_python, mm_num_waiting;

static int mm_enter_python(PyGILState_STATE *state) {
  atomic_fetch_add(&mm_num_waiting, 1);
  if (atomic_load(&mm_left_python)) {
    atomic_fetch_sub(&mm_num_waiting, 1);
    return 0;
  }
  *state = PyGILState_Ensure();
  return 1;
}

static void mm_exit_python(PyGILState_STATE state) {
  PyGILState_Release(state);
  atomic_fetch_sub(&mm_num_waiting, 1);
}

static void mm_set_hook(PyObject **hook, PyObject *object) {
  PyObject *previous = *hook;
  Py_INCREF(object);
  *hook = object;
  Py_XDECREF(previous);
}

/* Called at exit, while threads still run. */
static void mm_leave_python(void) {
  atomic_store(&mm_left_python, 1);
  Py_BEGIN_ALLOW_THREADS
  while (atomic_load(&mm_num_waiting) > 0) sched_yield();
  Py_END_ALLOW_THREADS
}

/* Statuses of the bindings' own. */
#define MM_PYTHON_ERROR (-1) /* the exception is already set */
#define MM_INTERRUPTED (-2)  /* Ctrl-C fired the token: MINIMOE_E_CANCELLED, unless Python's handler raises */

static void mm_raise(minimoe_status status, const char *message) {
  PyObject *text, *error;
  if (status == MM_PYTHON_ERROR) return;
  if (status == MM_INTERRUPTED) {
    if (PyErr_CheckSignals() != 0) return;
    status = MINIMOE_E_CANCELLED;
  }
  if (!mm_error_factory) {
    PyErr_Format(PyExc_RuntimeError, "%s: %s", minimoe_status_name(status), message);
    return;
  }
  text = PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "replace");
  if (!text) return;
  error = PyObject_CallFunction(mm_error_factory, "iN", (int)status, text);
  if (!error) return;
  PyErr_SetObject((PyObject *)Py_TYPE(error), error);
  Py_DECREF(error);
}

/* Called with or without the GIL. What a handler raises is reported and goes no further. */
static void mm_log(void *user_data, int32_t level, const char *message) {
  PyGILState_STATE state;
  PyObject *type, *value, *traceback, *done, *text;
  (void)user_data;
  if (!mm_enter_python(&state)) return;
  PyErr_Fetch(&type, &value, &traceback);
  if (mm_log_handler) {
    text = PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "replace");
    done = text ? PyObject_CallFunction(mm_log_handler, "iN", (int)level, text) : NULL;
    if (!done) PyErr_WriteUnraisable(mm_log_handler);
    Py_XDECREF(done);
  }
  PyErr_Restore(type, value, traceback);
  mm_exit_python(state);
}

static _Atomic(int64_t) mm_memory_bytes;

static void *mm_allocate(void *user_data, size_t size, size_t alignment) {
  void *memory = NULL;
  (void)user_data;
  if (posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, size ? size : 1) != 0)
    return NULL;
  atomic_fetch_add(&mm_memory_bytes, (int64_t)size);
  return memory;
}

static void mm_deallocate(void *user_data, void *memory, size_t size, size_t alignment) {
  (void)user_data;
  (void)alignment;
  atomic_fetch_sub(&mm_memory_bytes, (int64_t)size);
  free(memory);
}

static int64_t mm_counted_bytes(void) { return atomic_load(&mm_memory_bytes); }

/* Arrays that a dataset has borrowed. */
typedef struct mm_lent {
  mm_array tokens, classes;
} mm_lent;

static mm_lent *mm_lend(PyObject *tokens, char kind, size_t size, PyObject *classes) {
  mm_lent *lent = (mm_lent *)calloc(1, sizeof *lent);
  if (!lent) {
    PyErr_NoMemory();
    return NULL;
  }
  if (mm_array_in(tokens, "tokens", kind, size, 0, &lent->tokens) &&
      mm_array_in(classes, "classes", 'b', 1, MM_OR_NONE, &lent->classes)) {
    return lent;
  }
  mm_array_release(&lent->tokens);
  free(lent);
  return NULL;
}

/* The last use of the data has ended, in a call of whichever thread; with or without the GIL. */
static void mm_give_back(void *user_data) {
  mm_lent *lent = (mm_lent *)user_data;
  PyGILState_STATE state;
  if (!mm_enter_python(&state)) return;
  mm_array_release(&lent->tokens);
  mm_array_release(&lent->classes);
  mm_exit_python(state);
  free(lent);
}
